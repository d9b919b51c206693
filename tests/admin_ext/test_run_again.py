"""Running failed and stuck tasks again: who may, what is asked, what is refused, and what is noted."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from admin_ext import published
from admin_ext.models import Worker
from tests.admin_ext.cast import HOSTILE, Scene, staff
from tests.waiting import until
from tracking.models import AuditEntry

pytestmark = pytest.mark.usefixtures("empty_queue")

LIST = reverse("admin:django_celery_results_taskresult_changelist")
PERMISSIONS = ("view_taskresult", "run_task_again", "recompute_sessionreport")
CONFIRMED = {"_form_submitted": "on"}
OLD = timedelta(hours=2)


def task(status: str = "FAILURE", age: timedelta = OLD, **fields: Any) -> Any:
    made = TaskResult.objects.create(
        **{
            "task_id": str(uuid4()),
            "task_name": "reports.recompute",
            "task_args": json.dumps(repr((str(uuid4()),))),
            "task_kwargs": json.dumps("{}"),
            "status": status,
            "date_started": now() - age,
        }
        | fields
    )
    TaskResult.objects.filter(pk=made.pk).update(date_created=now() - age, date_done=now() - age)
    made.refresh_from_db()
    return made


def worker(**fields: Any) -> Worker:
    facts: dict[str, Any] = {"pid": 1, "processes": 2, "beat_at": now()}
    started = now() - timedelta(days=1)
    return Worker.objects.create(**{"name": "w@host", "started_at": started} | facts | fields)


def page_of(one: Any) -> str:
    return reverse("admin:django_celery_results_taskresult_change", args=[one.pk])


def again(one: Any) -> str:
    return reverse("admin:django_celery_results_taskresult_run_again_one", args=[one.pk])


def selected(*tasks: Any, **more: str) -> dict[str, Any]:
    ids = [one.pk for one in tasks]
    return {"action": "run_again_selected", "_selected_action": ids, **more}


def said(client: Client) -> str:
    return client.get(LIST).content.decode()


@pytest.fixture
def operator(transactional_db: None) -> Client:
    return staff("operator", *PERMISSIONS)


def test_a_failed_task_is_run_again_with_the_arguments_it_had(operator: Client) -> None:
    failed = task()
    assert b"Run this task again?" in operator.get(again(failed)).content
    answer = operator.post(again(failed), CONFIRMED)
    new: Any = until(TaskResult.objects.filter(status="PENDING").first)
    assert UUID(new.task_id).hex in answer["HX-Redirect"]
    assert (new.task_name, new.task_args) == (failed.task_name, failed.task_args)
    failed.refresh_from_db()
    assert failed.status == "FAILURE"
    assert f"?q={new.task_id}" in operator.get(page_of(failed)).content.decode()


def test_it_is_noted_who_did_it(operator: Client) -> None:
    failed, lost = task(), task("STARTED", worker="gone@host")
    operator.post(again(failed), CONFIRMED)
    operator.post(again(lost), CONFIRMED)
    requeued, retried = AuditEntry.objects.all()
    assert (retried.actor, retried.action) == ("operator", "task.retried")
    assert (requeued.action, requeued.target) == ("task.requeued", lost.task_id)
    assert retried.details["task"] == "reports.recompute"


def test_each_is_run_again_once(operator: Client) -> None:
    failed = task()
    operator.post(again(failed), CONFIRMED)
    operator.post(again(failed), CONFIRMED)
    assert "It was run again already." in said(operator)
    published.unwritten.join()
    assert TaskResult.objects.filter(status="PENDING").count() == 1


def test_the_selected_are_run_again_after_a_question(operator: Client) -> None:
    tasks = [task(), task("STARTED", worker="gone@host"), task("SUCCESS")]
    question = operator.post(LIST, selected(*tasks)).content.decode()
    assert "Run again 3 tasks?" in question
    answer = operator.post(LIST, selected(*tasks, confirmed="1"))
    assert answer["Location"].count(",") == 1
    assert "It has finished." in said(operator)
    statuses = [one.status for one in TaskResult.objects.filter(pk__in=[t.pk for t in tasks])]
    assert sorted(statuses) == ["FAILURE", "REVOKED", "SUCCESS"]


def test_too_many_at_once_are_refused(operator: Client) -> None:
    tasks = [task() for _ in range(51)]
    page = operator.post(LIST, selected(*tasks, confirmed="1"), follow=True)
    assert "At most 50 tasks at once." in page.content.decode()


def test_a_task_that_gets_on_is_left_alone(operator: Client) -> None:
    running = task("STARTED", worker="w@host")
    worker(running=[{"id": running.task_id, "name": running.task_name}])
    TaskResult.objects.filter(pk=running.pk).update(date_started=now() - timedelta(minutes=4))
    operator.post(again(running), CONFIRMED)
    operator.post(again(task("PENDING", age=timedelta(minutes=1))), CONFIRMED)
    assert "Not run again: 1. It is under way." in said(operator)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"task_name": "celery.backend_cleanup"}, "It is none of the tasks of this service."),
        ({"task_name": "reports.no_such"}, "It is none of the tasks of this service."),
        ({"task_name": None}, "It is none of the tasks of this service."),
        ({"task_args": json.dumps("('cut off...',)")}, "Its arguments were too long to be kept."),
        ({"task_args": json.dumps("('first', ...)")}, "Its arguments were too long to be kept."),
        ({"task_args": json.dumps("(['cut...'],)")}, "Its arguments were too long to be kept."),
        ({"task_kwargs": json.dumps("{'a': 1, ...}")}, "Its arguments were too long to be kept."),
        ({"task_args": json.dumps("__import__('os')")}, "Its arguments cannot be read."),
        ({"task_args": json.dumps("5")}, "Its arguments cannot be read."),
        ({"task_args": "5"}, "Its arguments cannot be read."),
        ({"task_args": "{"}, "Its arguments cannot be read."),
        ({"task_args": json.dumps("(" * 5_000)}, "Its arguments cannot be read."),
        ({"task_kwargs": json.dumps("()")}, "Its arguments cannot be read."),
    ],
)
def test_what_cannot_be_run_as_it_was_is_refused(
    operator: Client, fields: dict[str, Any], why: str
) -> None:
    failed = task(**fields)
    answer = operator.post(again(failed), CONFIRMED)
    assert answer["HX-Redirect"] == page_of(failed)
    assert why in said(operator)
    assert not AuditEntry.objects.exists()


def test_dots_within_an_argument_are_its_own(operator: Client) -> None:
    failed = task(task_args=json.dumps(repr(("Doe... Jane",))))
    operator.post(again(failed), CONFIRMED)
    new: Any = until(TaskResult.objects.filter(status="PENDING").first)
    assert new.task_args == failed.task_args


@pytest.mark.parametrize("name", ["tracking.erase", "tracking.reprocess", "reports.recompute"])
def test_who_may_not_ask_for_a_task_may_not_have_it_run_again(
    transactional_db: None, name: str
) -> None:
    failed = task(task_name=name)
    nearly = staff("nearly", "view_taskresult", "run_task_again")
    nearly.post(again(failed), CONFIRMED)
    nearly.post(LIST, selected(failed, confirmed="1"))
    assert said(nearly).count("Your account may not ask for such a task.") == 2
    assert not AuditEntry.objects.exists()


def test_a_failure_of_what_runs_all_the_time_is_run_again_too(operator: Client) -> None:
    failed = task(task_name="tracking.digest", task_args=json.dumps("()"))
    answer = operator.post(again(failed), CONFIRMED)
    assert answer["HX-Redirect"] == page_of(failed)
    assert "If they fail again, they are listed here." in said(operator)
    published.unwritten.join()
    assert TaskResult.objects.count() == 1


@pytest.fixture
def broker_away() -> Iterator[None]:
    """As far as one can tell here: there is no thread to ask it."""
    usual = threading.stack_size(1 << 46)
    yield
    threading.stack_size(usual)


def test_while_the_broker_is_away_nothing_is_noted(operator: Client, broker_away: None) -> None:
    failed, lost = task(), task("STARTED", worker="gone@host")
    for one in (failed, lost):
        operator.post(again(one), CONFIRMED)
    assert "The task queue is away: nothing was queued." in said(operator)
    lost.refresh_from_db()
    assert (lost.status, AuditEntry.objects.count()) == ("STARTED", 0)


def test_who_may_only_look_may_not(analyst: Client, outsider: Client) -> None:
    failed = task()
    for client in (analyst, outsider, staff("handyman", "run_task_again")):
        assert client.post(again(failed), CONFIRMED).status_code == 403
        client.post(LIST, selected(failed, confirmed="1"))
    assert again(failed) not in analyst.get(page_of(failed)).content.decode()
    assert not AuditEntry.objects.exists()


def test_to_look_runs_nothing(operator: Client) -> None:
    failed = task()
    operator.get(again(failed), CONFIRMED)
    operator.head(again(failed))
    operator.post(again(failed))
    operator.get(LIST, selected(failed, confirmed="1"))
    assert not AuditEntry.objects.exists()


def test_a_form_without_its_token_is_refused(transactional_db: None) -> None:
    failed = task()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("owner"))
    assert client.post(again(failed), CONFIRMED).status_code == 403
    assert client.post(LIST, selected(failed, confirmed="1")).status_code == 403


@pytest.mark.parametrize("id", ["0", "9" * 30, "nonsense"])
def test_a_task_that_is_not_there_is_no_fault(operator: Client, id: str) -> None:
    url = reverse("admin:django_celery_results_taskresult_run_again_one", args=[id])
    assert operator.post(url, CONFIRMED)["HX-Redirect"] == LIST
    assert "There is no such task result." in said(operator)


def test_arguments_are_shown_masked_and_short(owner: Client) -> None:
    secret = {"filters": {"mail": "ann@example.com", "key": "eye_sk_abcdefgh12345678"}}
    one = task(
        task_name="tracking.reprocess",
        task_args=json.dumps(repr((json.dumps(secret | {"more": "x" * 500}),))),
        traceback="ValueError: password=hunter2",
        result=json.dumps({"token": "t0ken", "count": 123_456_789_012}),
    )
    for page in (owner.get(LIST), owner.get(page_of(one))):
        text = page.content.decode()
        for hidden in ("ann@example.com", "abcdefgh12345678", "hunter2", "t0ken"):
            assert hidden not in text, hidden
    assert "123456789012" in text
    assert "x" * 100 not in owner.get(LIST).content.decode()


def test_a_task_leads_to_its_session_and_its_report(owner: Client, scene: Scene) -> None:
    for name in ("reports.recompute", "reports.trail"):
        one = task(task_name=name, task_args=json.dumps(repr((str(scene.session),))))
        page = owner.get(page_of(one)).content.decode()
        assert reverse("admin:tracking_session_change", args=[scene.session]) in page
        assert reverse("admin:reports_sessionreport_change", args=[scene.session]) in page
    found = owner.get(LIST, {"session": str(scene.session)}).context["cl"].result_list
    assert len(found) == 2


def test_hostile_tasks_are_shown_as_text(owner: Client) -> None:
    for text in HOSTILE:
        names = ("task_name", "worker", "task_args", "task_kwargs", "meta", "result", "traceback")
        facts: dict[str, Any] = dict.fromkeys(names, text)
        one = task("STARTED", **facts)
        worker(name=text, queues=[text], running=[{"id": text, "name": text}])
        for address in (LIST, page_of(one), reverse("admin:eye_tasks_overview")):
            page = owner.get(address).content.decode()
            assert "<script>alert" not in page, address
            assert "<img src=x" not in page, address
            assert "\u202e" not in page, address
