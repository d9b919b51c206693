"""The overview of tasks: what is stuck and why, what is usual, what it costs; and clearing the history."""

import re
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_results.models import GroupResult, TaskResult

from admin_ext import heartbeat, task_history, task_stats
from admin_ext.schedule import next_run
from admin_ext.stuck import MOST, judge, stuck
from admin_ext.tasks import clear_task_history
from tests.admin_ext.cast import Scene, staff
from tests.admin_ext.test_run_again import LIST, page_of, task, worker
from tests.plans import PAGE, plan, read_more_than_it_shows
from tracking.models import AuditEntry

OVERVIEW = reverse("admin:eye_tasks_overview")
MINUTE = timedelta(minutes=1)
ROWS = 20_000
# Two hours of tasks that took a second, after a second in the queue; one in a thousand failed.
FILL = f"""
INSERT INTO django_celery_results_taskresult
       (task_id, task_name, task_args, task_kwargs, status, worker, content_type, content_encoding,
        result, meta, date_created, date_started, date_done)
SELECT md5(n::text), 'reports.recompute', '"(''' || md5(n::text)::uuid || ''',)"', '"{{}}"',
       CASE WHEN n % 1000 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END, 'w@host', 'application/json',
       'utf-8', '{{}}', '{{}}', at - interval '2 s', at - interval '1 s', at
  FROM generate_series(1, {ROWS}) AS n, LATERAL (SELECT now() - n * interval '0.36 s' AS at) AS when_;
ANALYZE django_celery_results_taskresult
"""


@pytest.fixture
def full(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL)


def overview(client: Client) -> str:
    page = client.get(OVERVIEW).content.decode()
    return re.sub(r"\s+", " ", page[page.index('id="overview"') :])


def reasons() -> dict[str, str]:
    return {one.task.task_id: one.why for one in stuck(judge())}


def test_a_task_is_stuck_for_a_reason(transactional_db: None) -> None:
    worker(name="here@host")
    worker(name="silent@host", beat_at=now() - 5 * MINUTE)
    worker(name="anew@host", started_at=now() - MINUTE)
    with_whom = ("here@host", "silent@host", "anew@host", "gone@host")
    lost = [task("STARTED", age=10 * MINUTE, worker=name).task_id for name in with_whom]
    untaken = task("PENDING", age=6 * MINUTE).task_id
    task("PENDING", age=4 * MINUTE)
    task("STARTED", age=timedelta(seconds=5), worker="gone@host")
    task("SUCCESS")
    task("FAILURE")
    found = reasons()
    assert [found.pop(id) for id in lost] == [
        "its worker does not know of it",
        "its worker is gone since 5 min 00 s",
        "its worker was started anew since",
        "its worker is gone",
    ]
    assert found.pop(untaken).startswith("no worker took it for 6 min")
    assert found == {}


def test_a_task_is_stuck_that_runs_far_longer_than_its_kind(
    transactional_db: None, full: None
) -> None:
    slow = task("STARTED", age=11 * MINUTE, worker="w@host")
    rare = task("STARTED", age=11 * MINUTE, worker="w@host", task_name="tracking.retention")
    worker(running=[{"id": one.task_id, "name": one.task_name} for one in (slow, rare)])
    why = reasons()
    assert re.fullmatch(r"runs for 11 min 0\d s; 95 of 100 take 1\.0 s at most", why[slow.task_id])
    assert rare.task_id not in why


def test_the_overview_offers_to_run_what_is_stuck_again(transactional_db: None) -> None:
    operator = staff("operator", "view_taskresult", "run_task_again")
    assert "No task is stuck." in overview(operator)
    lost = [task("STARTED", age=10 * MINUTE, worker="gone@host") for _ in range(2)]
    page = overview(operator)
    assert "Run all 2 again" in page
    for one in lost:
        assert f'name="_selected_action" value="{one.pk}"' in page
        assert page_of(one) in page


def test_who_may_only_look_is_offered_nothing(analyst: Client) -> None:
    task("STARTED", age=10 * MINUTE, worker="gone@host")
    page = overview(analyst)
    assert "its worker is gone" in page
    assert "Run again" not in page


def test_each_kind_of_task_is_summed_up(owner: Client, full: None) -> None:
    stats = task_stats.by_name()["reports.recompute"]
    assert stats.finished == task_stats.SAMPLE
    assert stats.failed == task_stats.SAMPLE // 1000
    times = (stats.run_p50, stats.run_p95, stats.wait_p50, stats.wait_p95)
    assert [round(seconds or 0, 3) for seconds in times] == [1, 1, 1, 1]
    page = overview(owner)
    assert "over 10,000" in page
    assert "1.0 s / 1.0 s" in page
    assert "tracking.digest" in page
    assert "not kept" in page


def test_workers_and_beat_are_told_apart_that_are_there_and_not(owner: Client) -> None:
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    often = PeriodicTask.objects.create(name="often", task="reports.build_stale", interval=every)
    worker(name="here@host", running=[{"id": "1", "name": "reports.recompute"}], queues=["extra"])
    worker(name="silent@host", beat_at=now() - 2 * heartbeat.GONE_AFTER)
    page = overview(owner)
    assert ">online<" in page
    assert ">gone<" in page
    assert ">extra</bdi>" in page
    assert page.count(">no worker<") == 3  # of default, digest and reports
    for ago, state in ((MINUTE / 60, "ticks"), (2 * MINUTE, "late")):
        PeriodicTask.objects.filter(pk=often.pk).update(last_run_at=now() - ago)
        assert f">{state}<" in overview(owner)


def test_a_machine_on_which_nothing_runs_says_what_to_do(owner: Client) -> None:
    page = overview(owner)
    assert "No worker is there." in page
    assert "It has not queued anything yet" in page


def test_the_next_run_is_told(owner: Client) -> None:
    moment = now()
    every = IntervalSchedule.objects.create(every=1, period="hours")
    often = PeriodicTask(
        name="often", task="reports.build_stale", interval=every, last_run_at=moment - 20 * MINUTE
    )
    assert next_run(often, moment) == pytest.approx(moment + 40 * MINUTE, abs=MINUTE)
    daily = PeriodicTask(
        crontab=CrontabSchedule.objects.create(minute="17", hour="3"), date_changed=moment
    )
    due = next_run(daily, moment)
    assert due is not None
    assert (due.hour, due.minute) in {(3, 16), (3, 17)}
    assert (
        next_run(PeriodicTask(interval=every, enabled=False, date_changed=moment), moment) is None
    )
    late = PeriodicTask(interval=every, last_run_at=moment - timedelta(days=1))
    assert next_run(late, moment) == moment


def test_a_periodic_task_is_run_paused_and_enabled_from_its_page(
    owner: Client, empty_queue: None
) -> None:
    every = IntervalSchedule.objects.create(every=1, period="hours")
    often = PeriodicTask.objects.create(name="often", task="reports.build_stale", interval=every)
    for change, enabled in (("run_one", True), ("pause_one", False), ("enable_one", True)):
        address = reverse(f"admin:django_celery_beat_periodictask_{change}", args=[often.pk])
        owner.get(address, {"_form_submitted": "on"})
        owner.post(address, {"_form_submitted": "on"})
        often.refresh_from_db()
        assert often.enabled == enabled
    actions = AuditEntry.objects.values_list("action", "target")
    assert [*actions] == [(f"task.{done}", "often") for done in ("resumed", "paused", "run")]


def test_its_page_offers_to_pause_it_or_to_enable_it(owner: Client, analyst: Client) -> None:
    every = IntervalSchedule.objects.create(every=1, period="hours")
    often = PeriodicTask.objects.create(name="often", task="reports.build_stale", interval=every)
    address = reverse("admin:django_celery_beat_periodictask_change", args=[often.pk])
    pause, enable = (
        reverse(f"admin:django_celery_beat_periodictask_{name}", args=[often.pk])
        for name in ("pause_one", "enable_one")
    )
    page = owner.get(address).content.decode()
    assert pause in page
    assert enable not in page
    for link in (pause, enable):
        assert link not in analyst.get(address).content.decode()
        assert analyst.post(link, {"_form_submitted": "on"}).status_code == 403


def test_what_the_overview_costs(owner: Client, full: None) -> None:
    overview(owner)
    with CaptureQueriesContext(connection) as queries:
        overview(owner)
    # Who asks (2), workers, the time, running and waiting tasks, beat's last tick, its turns, by the
    # clock.
    assert len(queries) == 9, [query["sql"][:100] for query in queries]


def test_no_page_reads_all_tasks(owner: Client, full: None, scene: Scene) -> None:
    some_session = TaskResult.objects.filter(task_name="reports.recompute")[1_000].task_args[3:39]
    with CaptureQueriesContext(connection) as queries:
        owner.get(LIST)
        owner.get(LIST, {"session": some_session})
        owner.get(LIST, {"status": "FAILURE"})
        owner.get(LIST, {"status": "STARTED"})
        stuck(judge())
    counting = ("EXPLAIN", "SELECT COUNT")  # as far as the first tells that it is cheap
    told = [q["sql"] for q in queries if not q["sql"].startswith(counting)]
    asked = [sql for sql in told if "taskresult" in sql and "SELECT" in sql]
    assert len(asked) == 7
    for sql in asked:
        nodes = plan(sql)
        if "percentile" in sql:
            assert "Seq Scan" not in {node["Node Type"] for node in nodes}
        else:
            assert not list(filter(read_more_than_it_shows, nodes)), sql


def test_a_backlog_is_looked_at_without_what_was_finished_before_it(
    transactional_db: None, full: None
) -> None:
    finished = TaskResult.objects.filter(status="SUCCESS")
    finished.filter(date_done__gt=now() - 60 * MINUTE).update(status="PENDING")
    oldest = task("RETRY", age=61 * MINUTE).task_id
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE django_celery_results_taskresult")
    by = judge()
    with CaptureQueriesContext(connection) as queries:
        found = stuck(by)
    assert len(found) == MOST
    assert found[0].task.task_id == oldest
    for query in queries:
        passed = sum(node.get("Rows Removed by Filter", 0) for node in plan(query["sql"]))
        assert passed <= PAGE, query["sql"]


def test_progress_is_not_taken_for_another_start(transactional_db: None) -> None:
    def told(result: dict[str, Any]) -> Any:
        current_app.backend.store_result("an id", result, "STARTED")
        return TaskResult.objects.get()

    first = told({"pid": 1, "hostname": "w@host"})
    going_on = told({"examined": 3})
    assert going_on.date_started == first.date_started
    assert (going_on.status, going_on.result) == ("STARTED", '{"examined": 3}')
    assert current_app.AsyncResult("an id").info == {"examined": 3}
    tried_again = told({"pid": 2, "hostname": "w@host"})
    assert tried_again.date_started > first.date_started


def test_the_history_is_cleared_in_slices(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_history, "SLICE", 2)
    kept = [task(age=timedelta(days=29)), task("SUCCESS")]
    for _ in range(5):
        task(age=timedelta(days=31))
    GroupResult.objects.create(group_id="a group", result="[]")
    GroupResult.objects.update(date_done=now() - timedelta(days=31))
    worker(beat_at=now() - timedelta(days=2))
    with CaptureQueriesContext(connection) as queries:
        done = clear_task_history()
    assert done == {"tasks": 5, "groups": 1, "workers": 1, "done": True}
    assert {*TaskResult.objects.all()} == {*kept}
    assert sum("DELETE FROM django_celery_results_taskresult" in q["sql"] for q in queries) == 4


def test_clearing_gives_way_when_its_time_is_over(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_history, "LONGEST_RUN_SECONDS", 0)
    task(age=timedelta(days=31))
    done: dict[str, Any] = clear_task_history()
    assert done == {"tasks": 0, "groups": 0, "workers": 0, "done": False}
