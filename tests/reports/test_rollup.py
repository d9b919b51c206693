"""Rollups are the sums of what there is, whatever happened to it before."""

import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import rollup, tasks
from reports.builder import build, build_stale, recompute
from reports.minutes import Minute
from reports.models import Rollup, RollupChange, SessionMinute, SessionReport
from reports.rollup import roll_up
from reports.rollups import totals
from reports.sketch import Sketch
from tests.cast import START, Sender, at, event, path, refused, sender
from tracking import erase, locks
from tracking.audit import Actor
from tracking.digest import digest_until_empty
from tracking.models import Event, Receipt, Session
from tracking.nudge import Bell

ACTOR = Actor("somebody")
type Sums = dict[tuple[Any, str, datetime], dict[str, float]]


def there() -> Sums:
    """What the rollups say, but for nothing."""
    return {
        (row.application_id, row.step, row.start): found
        for row in Rollup.objects.all()
        if (
            found := _filled({**row.__dict__, "speeds": Sketch.unpacked(bytes(row.speeds)).pairs()})
        )
    }


def expected() -> Sums:
    """The same from the events and reports that there are, without a sum that is kept."""
    sums: Any = defaultdict(Counter)
    for report in SessionReport.objects.all():
        events = Event.objects.filter(session_id=report.pk)
        applications = {*events.values_list("application_id", flat=True)}
        for application in (None, *applications):
            if events:
                _count(sums, application, report.started_at, "sessions_started")
                _count(sums, application, report.ended_at, "sessions_ended")
            for one in events:
                if application in (None, one.application_id):
                    _count(sums, application, one.timestamp, "events")
            for minute in SessionMinute.objects.filter(report=report):
                for name in ("distance_px", "moving_us", "samples"):
                    _count(sums, application, minute.minute, name, getattr(minute, name))
                pairs = Sketch.unpacked(bytes(minute.speeds)).pairs()
                for bucket, weight in pairs:
                    _count(sums, application, minute.minute, f"speed {bucket}", weight)
    return {key: found for key, counts in sums.items() if (found := _filled(counts))}


def _count(sums: Any, application: Any, moment: Any, name: str, number: float = 1) -> None:
    minute = moment.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    for step, start in (("minute", minute), ("hour", hour), ("day", hour.replace(hour=0))):
        sums[application, step, start][name] += number


NAMES = {"events", "sessions_started", "sessions_ended", "distance_px", "moving_us", "samples"}


def _filled(counts: Any) -> dict[str, float]:
    counts |= {f"speed {bucket}": weight for bucket, weight in counts.pop("speeds", ())}
    return {
        name: number
        for name, number in counts.items()
        if number and (name in NAMES or name.startswith("speed "))
    }


def stroke(session: UUID, seconds: float, samples: int = 60, step: float = 1.3) -> Any:
    """A path of a second, in which the pointer goes on by `step` px each 16 ms."""
    places = [n * step for n in range(samples)]
    return path(session, seconds, [n * 16.0 for n in range(samples)], places, places)


def minutes_add_up(session: UUID) -> None:
    report = SessionReport.objects.get(pk=session)
    minutes = list(SessionMinute.objects.filter(report=report))
    assert sum(minute.moving_us for minute in minutes) == report.moving_ms * 1000
    assert sum(minute.samples for minute in minutes) == report.samples
    assert sum(sum(minute.events.values()) for minute in minutes) == report.events
    assert sum(minute.distance_px for minute in minutes) == pytest.approx(report.distance_px)
    assert report.state is not None
    speeds = Sketch.unpacked(b"".join(bytes(minute.speeds) for minute in minutes)).pairs()
    assert [list(pair) for pair in speeds] == json.loads(bytes(report.state))["pointer"]["speeds"]


def caught_up() -> Sums:
    digest_until_empty()
    build_stale()
    roll_up()
    assert not RollupChange.objects.exists()
    return there()


@pytest.fixture
def three(shop: Sender) -> list[UUID]:
    """Sessions that move in several minutes, of which each has been rolled up."""
    sessions = [UUID(int=number) for number in (1, 2, 3)]
    for number, session in enumerate(sessions):
        shop.send(*[stroke(session, 20 * n + number) for n in range(8)], event(session))
    caught_up()
    return sessions


def test_the_rollups_are_the_sums_of_the_sessions(three: list[UUID]) -> None:
    assert there() == expected()
    for session in three:
        minutes_add_up(session)
    total = Rollup.objects.filter(application=None, step="day")
    assert sum(row.events for row in total) == Event.objects.count()
    assert sum(row.sessions_started for row in total) == 3


def test_a_live_session_adds_what_comes(shop: Sender, session: UUID) -> None:
    for second in range(0, 150, 25):
        shop.send(stroke(session, second))
        build_stale()
        roll_up()
        assert there() == expected()
    report = SessionReport.objects.get()
    assert report.build == report.anew_build + 5
    minutes_add_up(session)


def minutes_of(session: UUID) -> list[Any]:
    rows = SessionMinute.objects.filter(report=session).order_by("minute")
    return [
        [*row[:5], bytes(row[5])]
        for row in rows.values_list(
            "minute", "events", "distance_px", "moving_us", "samples", "speeds"
        )
    ]


def test_a_recompute_finds_the_same_minutes_and_changes_nothing(
    shop: Sender, session: UUID
) -> None:
    for second in range(0, 150, 10):
        shop.send(stroke(session, second, step=1.1 + second / 7))
        build(session)
    roll_up()
    continued = minutes_of(session)
    recompute(session)
    assert minutes_of(session) == continued
    assert not RollupChange.objects.exists()


def test_very_many_minutes_can_go_at_once(shop: Sender, session: UUID) -> None:
    shop.send(stroke(session, 0))
    build(session)
    found = minutes_of(session)
    row = SessionMinute.objects.filter(report=session).values(*Minute._fields).first()
    assert row is not None
    SessionMinute.objects.bulk_create(
        SessionMinute(report_id=session, minute=START - timedelta(days=1, minutes=n), **row)
        for n in range(10_000)
    )
    recompute(session)
    assert minutes_of(session) == found


def test_a_late_event_counts_where_it_happened(shop: Sender, three: list[UUID]) -> None:
    shop.send(stroke(three[0], -400), event(three[1], timestamp=at(-100_000)))
    assert caught_up() == expected()
    minutes_add_up(three[0])


def test_a_corrected_event_is_counted_as_it_is_now(shop: Sender, three: list[UUID]) -> None:
    wrong = Event.objects.filter(session=three[0], name="path").order_by("id")[3]
    body = json.dumps({"data": {"t": [0, 100], "x": [0, 5], "y": [0, 5]}}).encode()
    correct_event(shop, wrong, body)
    assert caught_up() == expected()
    assert there()[None, "day", day_of(wrong.timestamp)]["samples"] < 3 * 8 * 60


def correct_event(shop: Sender, wrong: Event, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {shop.key}"}
    answer = shop.client.patch(
        f"/api/events/{wrong.pk}", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200, answer.content


def day_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_deleted_events_are_taken_back(three: list[UUID]) -> None:
    for wrong in Event.objects.filter(session=three[0]).order_by("id")[2:9]:
        erase.delete_event(wrong, ACTOR)
    assert caught_up() == expected()
    minutes_add_up(three[0])


def test_an_erased_session_leaves_nothing(shop: Sender, three: list[UUID]) -> None:
    for session in three[:2]:
        erase.erase_session(session, None, ACTOR)
    assert caught_up() == expected()
    erase.erase_session(three[2], shop.application_id, ACTOR)
    assert caught_up() == {}
    assert not SessionMinute.objects.exists()


def test_a_session_counts_for_each_of_its_applications(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.send(stroke(session, 0), event(session))
    caught_up()
    stranger.send(event(session, timestamp=at(70)))
    sums = caught_up()
    assert sums == expected()
    today = day_of(START)
    assert {sums[None, "day", today]["events"], sums[None, "day", today]["sessions_started"]} == {
        3,
        1,
    }
    theirs = sums[stranger.application_id, "day", today]
    assert (theirs["events"], theirs["sessions_started"], theirs["samples"]) == (1, 1, 60)

    erase.erase_session(session, shop.application_id, ACTOR)
    assert caught_up() == expected()
    assert {application for application, *_ in there()} == {None, stranger.application_id}


def test_a_report_that_is_deleted_counts_once_when_it_is_back(three: list[UUID]) -> None:
    before = there()
    SessionReport.objects.filter(pk=three[0]).delete()
    assert not SessionMinute.objects.filter(report=three[0]).exists()
    Session.objects.filter(pk=three[0]).update(report_revision=0)
    assert caught_up() == before


def test_what_was_built_before_there_were_rollups_is_counted_once(
    shop: Sender, session: UUID
) -> None:
    shop.send(stroke(session, 0), stroke(session, 90))
    build_stale()
    SessionMinute.objects.all().delete()
    RollupChange.objects.all().delete()
    SessionReport.objects.update(application_ids=None, version="1:00000000")
    recompute(session)
    assert caught_up() == expected()
    assert there()


def test_a_session_of_errors_alone_counts_nowhere(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    assert caught_up() == {}
    assert SessionReport.objects.get().application_ids == []


def test_a_roller_that_dies_loses_and_doubles_nothing(three: list[UUID], shop: Sender) -> None:
    before = there()
    shop.send(*[stroke(session, 200) for session in three])
    build_stale()
    waiting = RollupChange.objects.count()
    with refused("reports_rollup", "step <> 'hour'"), pytest.raises(Exception, match="bad"):
        roll_up()
    assert (there(), RollupChange.objects.count()) == (before, waiting)
    assert caught_up() == expected()


def test_it_goes_slice_by_slice(three: list[UUID], shop: Sender) -> None:
    shop.send(*[event(session, timestamp=at(60 * n)) for session in three for n in range(-9, 0)])
    build_stale()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup, "CHANGES_AT_ONCE", 3)
        assert roll_up()["taken"] > 10
    assert there() == expected()


def test_two_rollers_take_each_row_once(shop: Sender) -> None:
    sessions = [UUID(int=number) for number in range(1, 31)]
    done = threading.Event()

    def roll() -> None:
        while not done.is_set():
            roll_up()
        connection.close()

    rollers = [threading.Thread(target=roll) for _ in range(2)]
    for roller in rollers:
        roller.start()
    try:
        for second in range(0, 90, 15):
            shop.send(*[stroke(session, second, 5) for session in sessions])
            build_stale()
    finally:
        done.set()
        for roller in rollers:
            roller.join()
    assert caught_up() == expected()


@pytest.fixture
def bell() -> Bell:
    """One that was never rung."""
    return Bell(tasks.roll_up)


def test_who_finds_another_roller_at_it_comes_again(
    three: list[UUID], shop: Sender, bell: Bell
) -> None:
    shop.send(event(three[0], timestamp=at(100)))
    build_stale()
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            assert locks.try_rollups()
            taken.set()
            done.wait(10)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert taken.wait(10)
        assert roll_up(bell) == {"taken": 0}
        assert bell.background.thread_of  # rung: one more is needed for what the other has not seen
    finally:
        done.set()
        other.join()
    assert roll_up()["taken"] > 0


def test_when_a_shift_is_over_another_is_called(
    three: list[UUID], shop: Sender, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "SHIFT_SECONDS", 0.0)
    monkeypatch.setattr(rollup, "CHANGES_AT_ONCE", 1)
    shop.send(*[event(session, timestamp=at(-120)) for session in three])
    build_stale()
    assert roll_up(bell) == {"taken": 2}  # one from each outbox
    assert bell.background.thread_of
    assert roll_up()["taken"] > 0
    assert there() == expected()


APPLICATIONS = 2
WHAT_HAPPENS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "build", "build", "roll", "recompute"])
        | st.sampled_from(["delete", "correct", "erase"]),
        st.integers(0, 2),
        st.integers(0, APPLICATIONS - 1),
        st.integers(-150, 150),
    ),
    min_size=4,
    max_size=14,
)


@pytest.fixture(scope="module")
def senders(lasting_db: None) -> list[Sender]:
    return [sender(f"application {number}") for number in range(APPLICATIONS)]


@settings(deadline=None, max_examples=25)
@given(happenings=WHAT_HAPPENS)
def test_whatever_happens_the_rollups_are_the_sums_of_what_is_there(
    senders: list[Sender], happenings: list[tuple[str, int, int, int]]
) -> None:
    sessions = [uuid4() for _ in range(3)]
    for what, place, application, seconds in happenings:
        HAPPENS[what](sessions[place], senders[application], seconds)
    assert caught_up() == expected()
    for report in SessionReport.objects.filter(pk__in=sessions):
        minutes_add_up(report.pk)


def send(session: UUID, by: Sender, seconds: int) -> None:
    by.send(stroke(session, seconds, samples=20, step=1.7), event(session, timestamp=at(seconds)))


def some_event(session: UUID, by: Sender) -> Event | None:
    return Event.objects.filter(session=session, application=by.application_id).first()


def delete(session: UUID, by: Sender, seconds: int) -> None:
    if wrong := some_event(session, by):
        erase.delete_event(wrong, ACTOR)


def correct(session: UUID, by: Sender, seconds: int) -> None:
    if wrong := some_event(session, by):
        correct_event(by, wrong, json.dumps({"data": {"t": [0], "x": [1], "y": [1]}}).encode())


def anew(session: UUID, by: Sender, seconds: int) -> None:
    with contextlib.suppress(Session.DoesNotExist):
        recompute(session)


HAPPENS: dict[str, Callable[[UUID, Sender, int], Any]] = {
    "send": send,
    "build": lambda *given: build_stale(),
    "roll": lambda *given: roll_up(),
    "recompute": anew,
    "delete": delete,
    "correct": correct,
    "erase": lambda session, by, seconds: erase.erase_session(session, by.application_id, ACTOR),
}


def test_what_arrives_is_counted_when_it_does(shop: Sender, session: UUID) -> None:
    wrong = event(session, category="", name="")
    shop.send(event(session), event(session), wrong, event(session, timestamp=at(-100_000)))
    caught_up()
    received = Receipt.objects.get().received_at
    for application in (shop.application_id, None):
        found = totals(application, received, received + timedelta(minutes=1))
        assert (found.sent, found.stored, found.duplicate, found.rejected) == (4, 2, 1, 1)
        assert found.errors == {"empty": 2}
        assert found.sent == found.stored + found.duplicate + found.rejected
    assert roll_up() == {"taken": 0}
