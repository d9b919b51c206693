import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.models import F
from django.utils.timezone import now

from reports import builder, rebuild, tasks
from reports.builder import Busy, build, build_stale, recompute
from reports.models import PointerSecond, SessionReport
from tests.cast import Sender, a_schema_that_does_not_fit, at, elsewhere, event, move, path
from tests.reports.locking import MOMENTS, NO_BUILDING_OF, NO_WRITING_TO, Locking, locking
from tests.waiting import until
from tracking import erase, locks
from tracking.audit import Actor
from tracking.models import Session
from tracking.nudge import Bell

__all__ = ["locking"]


def strokes(session: UUID, seconds: int, start: int = 0) -> list[Any]:
    """A path event each second, 60 samples of 1 px."""
    t = [n * 16.0 for n in range(60)]
    x = [float(n) for n in range(60)]
    return [path(session, start + n, t, x, [0.0] * 60) for n in range(seconds)]


def numbers(session: UUID) -> dict[str, Any]:
    """A report and its seconds, without when and how often they were built."""
    report: dict[str, Any] = {**SessionReport.objects.filter(pk=session).values().get()}
    for changing in ("computed_at", "build", "anew_build", "revision"):
        del report[changing]
    report["state"] = bytes(report["state"])
    report["seconds"] = list(
        PointerSecond.objects.filter(session=session)
        .order_by("second")
        .values_list("second", "distance_px", "moving_ms", "peak_speed", "samples")
    )
    return report


def test_a_report_measures_what_was_sent(shop: Sender, session: UUID) -> None:
    click = event(session, category="pointer", name="click", data={"x": 1, "y": 1})
    shop.send(*strokes(session, 3), click, event(session, name="pageview"))
    assert build_stale() == {"built": 1, "failed": 0}
    report = SessionReport.objects.get(pk=session)
    assert (report.samples, report.clicks, report.page_views, report.events) == (180, 1, 1, 5)
    assert report.moving_ms > 0
    assert report.by_category == {"pointer": 4, "page interaction": 1}
    assert not Session.objects.get(pk=session).stale


def test_the_seconds_add_up_to_the_totals(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 5))
    build(session)
    report = SessionReport.objects.get(pk=session)
    seconds = PointerSecond.objects.filter(session=session)
    assert sum(row.distance_px for row in seconds) == pytest.approx(report.distance_px)
    assert sum(row.moving_ms for row in seconds) == pytest.approx(report.moving_ms)
    assert sum(row.samples for row in seconds) == report.samples


def test_a_session_of_hours_has_all_its_seconds(shop: Sender, session: UUID) -> None:
    t, x = [500.0 * n for n in range(3_000)], [float(n % 9) for n in range(3_000)]
    shop.send(*[path(session, (part - 4) * 1_500, t, x, x) for part in range(4)])
    build(session)
    seconds = PointerSecond.objects.filter(session=session)
    assert set(seconds.values_list("samples", flat=True)) == {2}
    assert seconds.count() == 6_000


def test_a_live_session_is_continued_not_folded_anew(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 2))
    assert build(session).anew
    shop.send(*strokes(session, 2, start=2))
    assert not build(session).anew


def test_a_continued_report_is_the_recomputed_one(shop: Sender, session: UUID) -> None:
    for second in range(6):
        shop.send(*strokes(session, 1, start=second), event(session, timestamp=at(second + 0.99)))
        build(session)
    continued = numbers(session)
    assert recompute(session).anew
    assert numbers(session) == continued


def test_a_late_event_has_its_session_folded_anew(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 2, start=2))
    build(session)
    shop.send(*strokes(session, 2))
    assert build(session).anew
    in_order = numbers(session)
    assert in_order["samples"] == 240
    recompute(session)
    assert numbers(session) == in_order


def test_a_late_event_and_a_new_one_are_both_in(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 1, start=2))
    build(session)
    shop.send(*strokes(session, 1), *strokes(session, 1, start=4))
    build(session)
    assert numbers(session)["samples"] == 180


def test_seconds_that_are_gone_are_removed(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 3))
    build(session)
    PointerSecond.objects.create(
        session_id=session,
        second=now() + timedelta(days=1),
        distance_px=1,
        moving_ms=1,
        samples=1,
        build=1,
    )
    recompute(session)
    assert PointerSecond.objects.filter(session=session).count() == 3


def test_without_a_state_the_session_is_folded_anew(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 1))
    build(session)
    before = numbers(session)
    SessionReport.objects.update(state=None)
    shop.send(event(session, timestamp=at(50)))
    assert build(session).anew
    assert numbers(session)["samples"] == before["samples"]


@pytest.mark.parametrize("state", [b"", b"{}", b"[1, 2", b'{"parameters": 5}'])
def test_a_state_that_cannot_be_read_is_left(shop: Sender, session: UUID, state: bytes) -> None:
    shop.send(*strokes(session, 1))
    build(session)
    SessionReport.objects.update(state=state)
    shop.send(event(session, timestamp=at(50)))
    assert build(session).anew


def test_a_session_of_errors_alone_has_a_report_too(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    build(session)
    report = SessionReport.objects.get(pk=session)
    assert (report.events, report.errors, report.mean_speed, report.started_at) == (
        0,
        1,
        None,
        None,
    )


def test_an_event_that_comes_during_a_build_leaves_the_report_stale(
    shop: Sender, session: UUID
) -> None:
    shop.send(*strokes(session, 1))
    older = build(session)
    shop.send(*strokes(session, 1, start=1))
    Session.objects.filter(pk=session).update(report_revision=older.revision)
    assert builder.stale_sessions([]) == [session]


def test_a_report_being_built_elsewhere_is_passed_over(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 1))
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            locks.session(session)
            taken.set()
            done.wait(10)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert taken.wait(10)
        with pytest.raises(Busy):
            build(session)
        assert build_stale() == {"built": 0, "failed": 0}
    finally:
        done.set()
        other.join()
    assert build_stale() == {"built": 1, "failed": 0}


def test_many_builders_at_once_are_harmless(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 3))

    def work() -> None:
        for _ in range(5):
            with contextlib.suppress(Busy):
                recompute(session)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recompute(session)
    alone = numbers(session)
    assert alone["samples"] == 180
    assert not Session.objects.get(pk=session).stale


def test_one_session_that_cannot_be_built_does_not_stop_the_others(
    shop: Sender, session: UUID
) -> None:
    other = UUID(int=session.int ^ 1)
    shop.send(*strokes(session, 1), move(other, 0, 1, 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE reports_sessionreport ADD CONSTRAINT bad CHECK (session_id <> '{session}')"
        )
    try:
        assert build_stale() == {"built": 1, "failed": 1}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE reports_sessionreport DROP CONSTRAINT bad")
    assert SessionReport.objects.get().session_id == other


def test_one_that_fails_waits_while_the_others_are_built(shop: Sender, session: UUID) -> None:
    """Or each shift would begin with it, and end with it where it is slow."""
    other, bell = UUID(int=session.int ^ 1), Bell(tasks.build_stale)
    shop.send(*strokes(session, 1))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE reports_sessionreport ADD CONSTRAINT bad CHECK (samples < 60)")
    try:
        assert build_stale(bell) == {"built": 0, "failed": 1}
        shop.send(move(other, 0, 1, 1))
        assert build_stale(bell) == {"built": 1, "failed": 0}
        assert builder.stale_sessions([]) == [session]
    finally:
        builder._later.until.clear()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE reports_sessionreport DROP CONSTRAINT bad")


def test_a_database_that_fails_every_session_ends_the_run(shop: Sender, session: UUID) -> None:
    """Or each of many sessions would ask it again at once, and fill the log."""
    shop.send(*strokes(session, 1))
    with a_schema_that_does_not_fit(), pytest.raises(ProgrammingError, match="data"):
        build_stale()
    assert build_stale() == {"built": 1, "failed": 0}


def test_a_session_erased_during_a_build_may_begin_anew(
    shop: Sender, stranger: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds in range(3):
        shop.send(move(session, seconds, 0, 0))
    build = builder._build_against_others

    def build_and_erase(*args: Any) -> list[builder.Built]:
        monkeypatch.undo()
        built = build(*args)
        erase.erase_session(session, shop.application_id, Actor("somebody"))
        stranger.send(move(session, 0, 0, 0))
        return built

    monkeypatch.setattr(builder, "_build_against_others", build_and_erase)
    builder.build(session)
    builder.build_stale()
    assert SessionReport.objects.get().events == 1


def test_recomputing_an_unknown_session_says_so(shop: Sender, session: UUID) -> None:
    with pytest.raises(Session.DoesNotExist):
        recompute(session)


def test_a_report_of_another_version_is_built_again(shop: Sender, session: UUID) -> None:
    shop.send(*strokes(session, 1))
    build(session)
    right = numbers(session)
    SessionReport.objects.update(version="0:00000000", distance_px=-1)
    assert shop.get(f"/api/sessions/{session}/report").json()["stale"]
    assert build_stale() == {"built": 0, "failed": 0}  # that is for a rebuild
    assert rebuild.see_to_it()
    rebuild.run()
    assert numbers(session) == right


def test_sessions_of_errors_alone_do_not_go_first(shop: Sender, session: UUID) -> None:
    shop.send(*[event(uuid4(), category="") for _ in range(150)])
    shop.send(*strokes(session, 1))
    assert builder.stale_sessions([])[0] == session


def test_reports_that_are_built_together_are_those_built_alone(shop: Sender) -> None:
    sessions = [UUID(int=number) for number in range(1, 31)]
    for session in sessions:
        shop.send(*strokes(session, 2, start=2))
    assert build_stale() == {"built": 30, "failed": 0}
    going_on, late, wrong, quiet = (sessions[n::4] for n in range(4))
    shop.send(*[one for session in going_on for one in strokes(session, 1, start=5)])
    shop.send(*[one for session in late for one in strokes(session, 1)])
    shop.send(*[event(session, category="") for session in wrong])
    assert build_stale() == {"built": 30 - len(quiet), "failed": 0}

    went_on = SessionReport.objects.filter(build=F("anew_build") + 1)
    assert {*went_on.values_list("session_id", flat=True)} == {*going_on, *wrong}
    together = [numbers(session) for session in sessions]
    for session in sessions:
        recompute(session)
    assert [numbers(session) for session in sessions] == together


def test_a_session_with_many_new_events_is_built_alone(shop: Sender, session: UUID) -> None:
    small = [UUID(int=number) for number in (1, 2)]
    shop.send(*strokes(session, 3), *strokes(small[0], 1), *strokes(small[1], 1))
    order = [small[0], session, small[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "EVENTS_AT_ONCE", 2)
        assert list(builder.portions(builder.sizes_of(order), ())) == [[one] for one in order]
        build_stale()
        assert list(builder.portions(builder.sizes_of(order), ())) == [order]
        SessionReport.objects.filter(pk=session).update(version="0:old")
        assert list(builder.portions(builder.sizes_of(order), ())) == [[one] for one in order]
    assert list(builder.portions(builder.sizes_of(order), ())) == [order]


def test_builders_that_meet_build_each_report_once(shop: Sender) -> None:
    shop.send(*(stroke for number in range(1, 201) for stroke in strokes(UUID(int=number), 1)))
    built: list[int] = []

    def help_out() -> None:
        built.append(build_stale()["failed"])
        connection.close()

    helpers = [threading.Thread(target=help_out) for _ in range(3)]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    assert built == [0, 0, 0]
    assert not SessionReport.objects.exclude(build=F("anew_build")).exists()
    assert not builder.stale_sessions([])


def test_who_was_in_other_hands_has_its_turn_while_others_go_on(
    shop: Sender, session: UUID, locking: Locking, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = uuid4()
    shop.send(*strokes(session, 1), *strokes(other, 1))
    lock = locking(NO_BUILDING_OF, str(other))
    turns: list[set[UUID]] = []

    def note_and_send(*args: Any) -> Any:
        done, failed = build_each(*args)
        turns.append({one.session_id for one in done})
        lock.release()
        if len(turns) < 4:
            shop.send(*strokes(session, 1, start=len(turns)))
        return done, failed

    build_each = builder.build_each
    monkeypatch.setattr(builder, "build_each", note_and_send)
    build_stale()
    assert turns == [{session}, {session, other}, {session}, {session}]


def test_who_was_slow_together_is_built_alone_and_who_is_slow_alone_waits(shop: Sender) -> None:
    first, second, third = order = [UUID(int=number) for number in (1, 2, 3)]
    later = builder.Later()
    later.note([first, second], took=1.0)
    assert not later.now()
    assert list(builder.portions(builder.sizes_of(order), later.slow)) == [
        [first],
        [second],
        [third],
    ]
    later.note([first], took=0.1)
    later.note([second], took=1.0)
    assert later.now() == {second}


@pytest.mark.parametrize("table", MOMENTS[:2])
def test_an_event_that_comes_while_a_report_is_written_is_in_the_next(
    shop: Sender, session: UUID, locking: Locking, table: str
) -> None:
    shop.send(*strokes(session, 1))
    lock = locking(NO_WRITING_TO.format(table))
    with ThreadPoolExecutor(1) as threads:
        older = threads.submit(elsewhere, builder.build, session)
        until(lock.holds_up)
        shop.send(*strokes(session, 1, start=1))
        lock.release()
        assert older.result().revision == 1
    assert numbers(session)["samples"] == 60
    assert builder.build_stale() == {"built": 1, "failed": 0}
    assert numbers(session)["samples"] == 120


def test_an_event_that_comes_before_a_build_is_noted_is_in_the_next(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(*strokes(session, 1))
    build = builder._build_against_others

    def build_and_send(*args: Any) -> list[builder.Built]:
        monkeypatch.undo()
        built = build(*args)
        shop.send(*strokes(session, 1, start=1))
        return built

    monkeypatch.setattr(builder, "_build_against_others", build_and_send)
    assert builder.build(session).revision == 1
    assert Session.objects.get(pk=session).stale
    assert builder.build_stale() == {"built": 1, "failed": 0}
    assert numbers(session)["samples"] == 120
