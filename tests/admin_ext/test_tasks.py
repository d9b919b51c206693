"""Tasks, what became of them, and those that run by the clock."""

import re
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from admin_ext import display
from admin_ext.scheduler import Scheduler
from admin_ext.task_results import SESSION_TASKS, UUID_PATTERN
from tests.admin_ext.cast import HOSTILE, Scene, staff, task_result
from tracking.models import AuditEntry

LIST = reverse("admin:django_celery_results_taskresult_changelist")
PERIODIC = reverse("admin:django_celery_beat_periodictask_changelist")


def listed(client: Client, query: dict[str, str]) -> int:
    response = client.get(LIST, query)
    assert response.status_code == 200, query
    return len(response.context["cl"].result_list)


def test_a_result_has_a_readable_title_and_leads_to_its_session(
    owner: Client, scene: Scene
) -> None:
    task = task_result(scene.session)
    address = reverse("admin:django_celery_results_taskresult_change", args=[task.pk])
    page = owner.get(address).content.decode()
    assert "Reports.recompute · 11111111" in page or "reports.recompute · 11111111" in page
    assert "&lt;Task:" not in page
    assert reverse("admin:tracking_session_change", args=[scene.session]) in page
    assert "&quot;revision&quot;: 3" in page
    assert "_save" not in page


def test_a_session_finds_its_tasks(owner: Client, scene: Scene) -> None:
    task_result(scene.session)
    assert listed(owner, {"session": str(scene.session)}) == 1
    assert listed(owner, {"session": "6f9619ff-8b86-4011-b42d-00c04fc964ff"}) == 0
    assert listed(owner, {"session": "nonsense"}) == 0


def test_the_index_is_of_all_tasks_that_are_about_a_session(transactional_db: None) -> None:
    """Who adds to SESSION_TASKS, or takes away, makes the index anew in a migration."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(indpred, indrelid), pg_get_expr(indexprs, indrelid) FROM pg_index "
            "WHERE indexrelid = 'eye_task_of_session'::regclass"
        )
        condition, expression = cursor.fetchone()
    assert sorted(re.findall("'(.*?)'", condition)) == sorted(SESSION_TASKS)
    assert f"'{UUID_PATTERN}'" in expression


def test_tasks_are_found_by_status_name_and_id(owner: Client, scene: Scene) -> None:
    task_result(scene.session)
    assert listed(owner, {"status": "SUCCESS"}) == 1
    assert listed(owner, {"status": "FAILURE"}) == 0
    assert listed(owner, {"task_name": "reports.recompute"}) == 1
    assert listed(owner, {"task_name": "\x00"}) == 0
    assert listed(owner, {"q": "1111"}) == 1
    assert listed(owner, {"q": "2222"}) == 0


def test_a_task_that_runs_does_not_look_finished(owner: Client, scene: Scene) -> None:
    task = task_result(scene.session)
    TaskResult.objects.filter(pk=task.pk).update(status="STARTED")
    row = owner.get(LIST).content.decode()
    cell = row[row.index("field-done") :]
    assert cell[: cell.index("</td>")].endswith(f">{display.EMPTY}")


def test_who_follows_a_task_that_runs_reads_no_process_id(owner: Client, scene: Scene) -> None:
    task = task_result(scene.session)
    TaskResult.objects.update(status="STARTED", result='{"pid": 1, "hostname": "w@host"}')
    page = owner.get(reverse("admin:eye_tasks"), {"tasks": task.task_id}).content.decode()
    assert "0 of 1 finished" in page
    assert "a worker is at it" in page
    assert "w@host" not in page


def test_any_result_can_be_shown(owner: Client, scene: Scene) -> None:
    task = task_result(scene.session)
    address = reverse("admin:django_celery_results_taskresult_change", args=[task.pk])
    for text in (*HOSTILE, "{not json", '"(1,)"', ""):
        fields = {"result": text, "task_args": text, "task_kwargs": text, "traceback": text}
        TaskResult.objects.filter(pk=task.pk).update(**fields)
        page = owner.get(address)
        assert page.status_code == 200, text
        assert HOSTILE[0] not in page.content.decode()
        assert owner.get(LIST).status_code == 200, text


def test_what_runs_by_the_clock_is_known_and_does_not_pile_up(transactional_db: None) -> None:
    """Beat queues it also while no worker is there."""
    Scheduler(app=current_app)
    scheduled = PeriodicTask.objects.all()
    assert {task.name for task in scheduled} == {*current_app.conf.beat_schedule}
    for task in scheduled:
        assert task.task in current_app.tasks
        assert task.expire_seconds


@pytest.fixture
def often(transactional_db: None) -> PeriodicTask:
    every = IntervalSchedule.objects.create(every=1, period="hours")
    task: PeriodicTask = PeriodicTask.objects.create(
        name="often", task="reports.build_stale", interval=every
    )
    return task


def run(client: Client, action: str, task: PeriodicTask) -> Any:
    chosen = {"action": action, "_selected_action": [task.pk]}
    return client.post(PERIODIC, chosen, follow=True)


def test_a_periodic_task_is_paused_and_enabled(owner: Client, often: PeriodicTask) -> None:
    run(owner, "disable_tasks", often)
    often.refresh_from_db()
    assert not often.enabled
    run(owner, "enable_tasks", often)
    often.refresh_from_db()
    assert often.enabled


def test_a_periodic_task_runs_now(owner: Client, often: PeriodicTask, empty_queue: None) -> None:
    page = run(owner, "run_tasks", often)
    assert "1 task queued." in page.content.decode()
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        assert channel.queue_declare("reports", passive=True).message_count >= 1


def test_a_task_that_no_worker_knows_is_not_run(owner: Client, often: PeriodicTask) -> None:
    PeriodicTask.objects.update(task="nobody.knows")
    page = run(owner, "run_tasks", often)
    assert "Nothing was queued: no worker knows nobody.knows." in page.content.decode()


@pytest.mark.parametrize("action", ["enable_tasks", "disable_tasks", "run_tasks", "toggle_tasks"])
def test_who_may_only_see_cannot_act(analyst: Client, often: PeriodicTask, action: str) -> None:
    run(analyst, action, often)
    often.refresh_from_db()
    assert often.enabled
    page = analyst.get(PERIODIC).content.decode()
    assert f'value="{action}"' not in page


def test_a_periodic_task_is_made_by_its_form(owner: Client) -> None:
    crontab = CrontabSchedule.objects.create(minute="5")
    response = owner.post(
        reverse("admin:django_celery_beat_periodictask_add"),
        {
            "name": "nightly",
            "regtask": "reports.build_stale",
            "enabled": "on",
            "crontab": crontab.pk,
            "args": "[]",
            "kwargs": "{}",
            "headers": "{}",
        },
    )
    assert response.status_code == 302, response.context["adminform"].form.errors
    made = PeriodicTask.objects.get(name="nightly")
    assert made.task == "reports.build_stale"
    address = reverse("admin:django_celery_beat_periodictask_change", args=[made.pk])
    page = owner.get(address).content.decode()
    assert "At 5 minutes past the hour" in page
    assert "periodic-task-overrides" not in page


class TestWhoChangesAPeriodicTask:
    """Operators say when it runs; what runs, with what and where, is for who may add tasks."""

    @pytest.fixture
    def change(self, often: PeriodicTask) -> Any:
        daily = CrontabSchedule.objects.create(minute="5", hour="4")
        address = reverse("admin:django_celery_beat_periodictask_change", args=[often.pk])
        posted = {
            "name": "another",
            "crontab": daily.pk,
            "one_off": "on",
            "task": "tracking.erase",
            "regtask": "tracking.erase",
            "description": "other words",
            "args": "[1]",
            "kwargs": '{"a": 1}',
            "headers": '{"a": 1}',
            "queue": "exports",
            "exchange": "exports",
            "routing_key": "exports",
            "priority": "1",
            "expire_seconds": "1",
        }

        def post(*permissions: str) -> set[str]:
            """Which fields are others then, by a form that somebody made by hand."""
            before = PeriodicTask.objects.values().get()
            response = staff("somebody", "view_periodictask", *permissions).post(address, posted)
            assert response.status_code == 302, response.context["adminform"].form.errors
            after = PeriodicTask.objects.values().get()
            return {name for name in before if before[name] != after[name]} - {"date_changed"}

        return post

    def test_operators_change_when_it_runs(self, change: Any) -> None:
        changed = change("change_periodictask")
        assert changed == {"enabled", "interval_id", "crontab_id", "one_off"}

    def test_who_may_add_tasks_changes_all_of_it(self, change: Any) -> None:
        changed = change("change_periodictask", "add_periodictask")
        assert {"name", "task", "args", "kwargs", "headers", "queue", "priority"} < changed
        entry = AuditEntry.objects.get(action="record.changed")
        runs = {"task": "tracking.erase", "args": "[1]", "kwargs": '{"a": 1}'}
        assert entry.details.items() >= runs.items()

    def test_operators_see_what_it_does_and_cannot_write_there(self, often: PeriodicTask) -> None:
        PeriodicTask.objects.update(args='["an argument"]')
        operator = staff("operator", "view_periodictask", "change_periodictask")
        address = reverse("admin:django_celery_beat_periodictask_change", args=[often.pk])
        page = operator.get(address).content.decode()
        assert "an argument" in page
        assert 'name="enabled"' in page
        for field in ("task", "regtask", "args", "kwargs", "queue"):
            assert f'name="{field}"' not in page


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, "–"),
        (0, "0 ms"),
        (840.4, "840 ms"),
        (12_340, "12.3 s"),
        (59_949, "59.9 s"),
        (999.7, "1.0 s"),
        (59_960, "1 min 00 s"),
        (3_599_600, "1 h 00 min"),
        (245_000, "4 min 05 s"),
        (7_620_000, "2 h 07 min"),
        (273_600_000, "3 d 04 h"),
    ],
)
def test_durations_are_told_in_two_units(milliseconds: float | None, shown: str) -> None:
    assert display.duration(milliseconds) == shown
