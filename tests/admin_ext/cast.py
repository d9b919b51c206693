"""The people of the admin, and something for them to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_results.models import GroupResult, TaskResult

from reports import builder, rebuild
from reports.models import SessionReport
from reports.rollup import roll_up
from tests.cast import START, Sender, at, event, path
from tests.waiting import until
from tracking import audit, claims, inbox
from tracking.audit import Actor
from tracking.models import AuditEntry, SetAsideBatch

HOSTILE = (
    "<script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "'});alert(1)//",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
)


def staff(name: str, *permissions: str) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(transactional_db: None) -> Client:
    """May do everything."""
    return signed_in(User.objects.create_superuser("owner"))


@pytest.fixture
def analyst(transactional_db: None) -> Client:
    """May see everything, and change nothing."""
    seeing = Permission.objects.filter(codename__startswith="view_")
    return staff("analyst", *seeing.values_list("codename", flat=True))


@pytest.fixture
def outsider(transactional_db: None) -> Client:
    """Staff, with no permission at all."""
    return staff("outsider")


@dataclass(frozen=True)
class Scene:
    """A session with a pointer, a form, two wrong fields and a report; and a batch set aside."""

    session: UUID
    set_aside: int


@pytest.fixture
def scene(shop: Sender, session: UUID) -> Scene:
    t = [n * 16.0 for n in range(60)]
    shop.send(
        path(session, 0, t, [float(n) for n in range(60)], [0.0] * 60),
        path(session, 1, t, [10.0 * n for n in range(60)], [0.0] * 60),
        event(session, category="form", name="submit", timestamp=at(2)),
        event(session, category="", data={}),
    )
    until(lambda: builder.build_stale() and SessionReport.objects.exists())
    return Scene(session, set_aside(shop))


def set_aside(shop: Sender) -> int:
    with transaction.atomic():  # or a worker that runs beside this test would be quicker
        shop.post([event("6f9619ff-8b86-4011-b42d-00c04fc964ff")])
        (batch,) = claims.claim()
        inbox.set_aside(batch, "It was not digested in 8 attempts.")
    return int(SetAsideBatch.objects.get(receipt=batch.receipt).pk)


@pytest.fixture
def everything(scene: Scene, shop: Sender) -> Scene:
    """At least one row of every model that the admin shows."""
    roll_up()
    shop.post([event(scene.session)])
    task_result(scene.session)
    GroupResult.objects.create(group_id="a group", result="[]")
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    PeriodicTask.objects.create(name="often", task="reports.build_stale", interval=every)
    CrontabSchedule.objects.create(minute="5")
    SolarSchedule.objects.create(event="sunset", latitude=52, longitude=13)
    ClockedSchedule.objects.create(clocked_time=START)
    Group.objects.create(name="readers")
    audit.record(Actor("somebody"), AuditEntry.Action.DELETED, scene.session, category="page")
    rebuild.begin(Actor("somebody"))
    return scene


def task_result(session: UUID) -> TaskResult:
    task: TaskResult = TaskResult.objects.create(
        task_id="11111111-2222-4333-8444-555555555555",
        task_name="reports.recompute",
        task_args=f"\"('{session}',)\"",
        status="SUCCESS",
        date_started=START,
        result=f'{{"session": "{session}", "revision": 3}}',
    )
    return task


@pytest.fixture
def empty_queue(transactional_db: None) -> Iterator[None]:
    """What these tests queue and no worker takes is not left to the workers of other tests."""
    yield
    with current_app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        for queue in ("reports", "default", "exports"):
            channel.queue_purge(queue)
