"""Demo data goes the way of all events, so that what it shows is what the service computed."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from random import Random
from uuid import uuid4

import pytest
from config import demo
from config.visitors import SITES, Visitor, visits
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from admin_ext.run_again import signature_of
from admin_ext.task_results import of_session
from reports.models import Rollup, SessionReport
from tests.cast import Sender, event
from tracking import event_types
from tracking.models import Application, Batch, Event, EventError, Receipt, Session
from tracking.validation import Rejected, validate

pytestmark = pytest.mark.django_db(transaction=True)
SCALE = 0.0003


def seeded(*arguments: str) -> str:
    told = StringIO()
    call_command("seed_demo", "--scale", str(SCALE), *arguments, stdout=told)
    return told.getvalue()


def test_it_makes_sessions_with_reports_rollups_and_tasks() -> None:
    assert "Made 30 sessions of" in seeded()
    assert Session.objects.count() == SessionReport.objects.count() == 30
    assert not Batch.objects.exists()
    assert not any(session.stale for session in Session.objects.all())
    assert SessionReport.objects.filter(samples=0).count() == 0
    stored = Rollup.objects.filter(application=None, step="day").aggregate(Sum("stored"))
    assert stored["stored__sum"] == Event.objects.count() > 1_000
    assert TaskResult.objects.count() == 300


def test_the_tasks_of_a_session_came_after_it_and_name_it(shop: Sender) -> None:
    shop.send(event(other := uuid4()))
    seeded("--beside-others")
    names = set()
    for session in Session.objects.exclude(pk=other):
        tasks = of_session(TaskResult.objects.all(), session.pk)
        names |= {*tasks.values_list("task_name", flat=True)}
        assert not tasks.exclude(date_created__range=(session.last_at, now())).exists()
    assert names == {"reports.recompute", "reports.trail"}
    assert not of_session(TaskResult.objects.all(), other).exists()


def test_its_failed_tasks_can_be_run_again() -> None:
    seeded()
    TaskResult.objects.update(status="FAILURE")
    for name in ("reports.recompute", "reports.trail", "tracking.reprocess"):
        signature_of(TaskResult.objects.filter(task_name=name)[0]).apply().get()


def test_each_batch_was_received_when_its_visit_was_over() -> None:
    seeded()
    for receipt in Receipt.objects.all():
        assert now() - timedelta(days=demo.DAYS) < receipt.received_at <= now()
    assert Receipt.objects.dates("received_at", "day").count() > 10


def test_another_number_adds_other_visits_and_the_same_one_is_no_error() -> None:
    seeded()
    seeded("--seed", "2")
    assert Session.objects.count() == 60


def test_it_does_not_mix_with_others_unless_it_is_told_to(shop: Sender) -> None:
    shop.send(event(uuid4()))
    with pytest.raises(CommandError, match="--beside-others"):
        seeded()
    assert [application.name for application in Application.objects.all()] == ["shop"]
    seeded("--beside-others")
    assert Session.objects.count() == 31


def test_it_does_not_wait_for_what_others_have_in_the_inbox(shop: Sender) -> None:
    shop.post(event(uuid4()))
    Batch.objects.update(next_at=now() + timedelta(hours=1))
    assert "Made 30 sessions" in seeded("--beside-others")
    assert Batch.objects.count() == 1


def test_nothing_in_a_visit_is_still_to_come() -> None:
    end = now()
    starts = [(end - timedelta(seconds=n), False) for n in range(60)]
    made = list(visits(Random(1), starts, end))
    for visit in made:
        moments = [datetime.fromisoformat(json.loads(raw)["timestamp"]) for raw in visit.events]
        assert max([visit.start, *moments]) <= visit.end <= end
    assert sum(visit.end == end for visit in made) > 30


@pytest.mark.parametrize("scale", ["0", "-1", "11"])
def test_a_scale_that_makes_no_sense_is_refused(scale: str) -> None:
    with pytest.raises(CommandError, match="--scale"):
        call_command("seed_demo", "--scale", scale)


def test_only_orders_of_the_last_hours_are_wrong(shop: Sender) -> None:
    """So that there is something to be found: a spike of one error."""
    applications = demo._senders()
    types = event_types.current()
    dice, start = Random(1), datetime.now(UTC) - timedelta(hours=1)
    wrong = []
    for breaks_orders in (False, True):
        for _ in range(150):
            visit = Visitor(dice, start, now(), breaks_orders).visit()
            owner = applications[visit.site.name]
            checked = [validate(raw, owner, now(), types) for raw in visit.events]
            wrong += [(one, breaks_orders) for one in checked if isinstance(one, Rejected)]
    assert len(wrong) > 5
    assert all(broken for _, broken in wrong)
    assert {one.problems[0].field for one, _ in wrong} == {"data.total"}
    assert {site.name for site in SITES} == {*applications}
    assert not EventError.objects.exists()
