"""Sessions of very many samples: what is left out of them, and that the others do not wait."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from reports import assembly, builder, tasks
from reports.models import PointerSecond, SessionMinute, SessionReport
from reports.parameters import PARAMETERS
from tests.cast import Sender, at, elsewhere, event, move
from tests.processes import Process
from tests.reports.locking import Locking, locking
from tests.waiting import until
from tracking import locks
from tracking.ids import first_id_at
from tracking.models import Session
from tracking.nudge import Bell

__all__ = ["locking"]

PATH_SAMPLES = 5_000
PATH_SECONDS = 5


def go_mad(sender: Sender, paths: int) -> UUID:
    """A session of so many paths, written as a digest leaves it: to send them takes minutes."""
    session = uuid4()
    times = [datetime.fromisoformat(at(n * PATH_SECONDS - 86_400)) for n in range(paths)]
    ticks = ", ".join(map(str, range(PATH_SAMPLES)))
    data = f'{{"t": [{ticks}], "x": [{ticks}], "y": [{ticks}]}}'
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tracking_event "
            "(id, application_id, session_id, category, name, data, timestamp, received_at) "
            "SELECT id, %s, %s, 'pointer', 'path', %s::jsonb, moment, now() "
            "FROM unnest(%s::uuid[], %s::timestamptz[]) AS event(id, moment)",
            [sender.application_id, session, data, [id_at(time) for time in times], times],
        )
    Session.objects.create(
        pk=session, event_count=paths, revision=1, first_at=times[0], last_at=times[-1]
    )
    return session


def id_at(time: datetime) -> UUID:
    return UUID(int=first_id_at(time).int | secrets.randbits(62))


def somebody_folds_a_long_one() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s)",
            [locks.LONG_FOLD],
        )
        return bool(cursor.fetchone()[0])


def report_of(session: UUID) -> Any:
    return until(lambda: SessionReport.objects.filter(pk=session).first(), seconds=120)


@pytest.fixture
def long(shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A session of seven events, where five are many."""
    for module in (assembly, builder):
        monkeypatch.setattr(module, "LONG_EVENTS", 5)
    shop.send(*(move(session, second, second, 0) for second in range(7)))
    return session


def test_whoever_begins_a_long_one_calls_another_for_the_others(
    shop: Sender, long: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = Bell(tasks.build_stale)
    rung: list[bool] = []
    build = builder.build_each

    def look(portion: list[UUID]) -> Any:
        rung.append(bell.background.thread_of != 0)
        return build(portion)

    monkeypatch.setattr(builder, "build_each", look)
    assert builder.build_stale(bell) == {"built": 1, "failed": 0}
    assert rung == [True]


def test_no_two_long_ones_are_folded_at_once(shop: Sender, long: UUID) -> None:
    short = uuid4()
    shop.send(event(short))
    bell = Bell(tasks.build_stale)
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            assert locks.try_long_fold()
            done = other.submit(elsewhere, builder.build_stale, bell).result()
        assert bell.background.thread_of == 0  # nobody is called in vain
        assert done == {"built": 1, "failed": 0}
        assert [row.pk for row in SessionReport.objects.all()] == [short]
    assert builder.build_stale() == {"built": 1, "failed": 0}


def test_a_late_event_makes_it_one_to_be_built_alone(shop: Sender, long: UUID) -> None:
    builder.build_stale()
    shop.send(move(long, 0.5, 1, 1))
    assert builder.sizes_of([long]) == {long: 1}
    assert builder.build_stale() == {"built": 1, "failed": 0}
    report = SessionReport.objects.get()
    assert (report.samples, report.anew_build) == (8, report.build)
    shop.send(move(long, 9, 1, 1))
    assert builder.sizes_of([long]) == {long: 1}
    assert not builder.build(long).anew


def test_a_recompute_waits_for_another_long_one_however_long(
    long: UUID, locking: Locking, monkeypatch: pytest.MonkeyPatch
) -> None:
    folding = locking("SELECT pg_advisory_xact_lock(%s)", str(locks.LONG_FOLD))
    recompute, tries = builder.recompute, []

    def recompute_until_the_other_ends(session: UUID) -> Any:
        tries.append(session)
        if len(tries) == 10:
            folding.release()
        return recompute(session)

    monkeypatch.setattr(builder, "recompute", recompute_until_the_other_ends)
    assert tasks.recompute.apply((str(long),)).get() == {"session": str(long), "revision": 1}
    assert len(tries) == 10


def test_whoever_takes_long_leaves_the_others_as_much_time(
    long: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = builder.Later()
    monkeypatch.setattr(builder, "_later", later)
    build, hour, clock = builder.build_each, 3_600.0, [0.0]

    def build_for_an_hour(portion: list[UUID]) -> Any:
        clock[0] += hour
        return build(portion)

    monkeypatch.setattr(builder, "monotonic", lambda: clock[0])
    monkeypatch.setattr(builder, "build_each", build_for_an_hour)
    builder.build_stale(Bell(tasks.build_stale))
    clock[0] += hour
    assert later.now() == {long}


def test_a_session_of_very_many_minutes_has_no_more_of_them_in_the_rollups(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(PARAMETERS, max_minutes=3, max_seconds=2)
    for module in (assembly, builder):
        monkeypatch.setattr(module, "PARAMETERS", few)
    for minute in (4, -3, 2, -1, -5):
        shop.send(move(session, 60 * minute, minute, 0), event(session, timestamp=at(60 * minute)))
        builder.build_stale()
    report = SessionReport.objects.get()
    assert (report.events, report.samples, report.flags) == (10, 2, ["capped"])
    assert SessionMinute.objects.count() == 3
    assert PointerSecond.objects.count() == 2
    assert SessionMinute.objects.latest("minute").minute < datetime.fromisoformat(at(0))


@pytest.mark.django_db(transaction=True)
def test_the_reports_of_others_go_on_beside_a_mad_one(shop: Sender, worker: Process) -> None:
    """One of so many samples that some are left out, and a worker of two processes."""
    paths = PARAMETERS.max_samples // PATH_SAMPLES + 20
    mad = go_mad(shop, paths)
    shop.send(event(uuid4()))
    until(somebody_folds_a_long_one)
    others = [uuid4() for _ in range(3)]
    for other in others:
        shop.send(event(other))
        assert report_of(other).events == 1
    found = report_of(mad)
    assert max(report_of(other).computed_at for other in others) < found.computed_at
    assert (found.events, found.samples) == (paths, PARAMETERS.max_samples)
    assert "capped" in found.flags
    assert found.ended_at - found.started_at == timedelta(seconds=(paths - 1) * PATH_SECONDS)
