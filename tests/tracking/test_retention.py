"""Keeping events for so many days: what comes too late, and deleting what has grown too old.

It is kept for 31 days here, by which no partition that a new database has is wholly past, so that
all goes by rows: test_past_months.py is about the others.
"""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from reports import assembly, builder
from reports.models import PointerSecond, SessionReport
from tests.cast import Sender, elsewhere, event, path, somebody_waits
from tests.processes import Process
from tests.tracking.test_reprocess import NUMBER, SOMEBODY, TEXT, again, give_schema, sale
from tests.waiting import until
from tracking import claims, corrections, event_types, locks, retention, store, tasks
from tracking.digest import digest_until_empty
from tracking.models import (
    Application,
    Batch,
    Event,
    EventError,
    Receipt,
    RejectedEvent,
    Session,
    SessionApplication,
)
from tracking.retention import Totals, retain


def ago(days: float) -> str:
    return (now() - timedelta(days=days)).isoformat()


def keep(sender: Sender, days: int | None) -> None:
    """As staff do on the application's page."""
    Application.objects.filter(pk=sender.application_id).update(retention_days=days)
    event_types.forget()


@pytest.fixture(autouse=True)
def nobody_builds_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there is nothing to wait for."""
    monkeypatch.setattr(retention, "REPORTS_PATIENCE_SECONDS", 0.0)


def run(moment: datetime | None = None) -> Totals:
    return retain(moment or now(), lambda totals: None)


def kept(session: UUID) -> tuple[int, int]:
    """How many events a session has, and had."""
    row = Session.objects.get(pk=session)
    return row.event_count, row.expired_events


def stroke(session: UUID, days: float, second: int) -> Any:
    """A second of a pointer that went right."""
    stroke = path(session, 0, [0.0, 500.0], [0.0, 10.0 * (second + 1)], [0.0, 0.0])
    moment = now() - timedelta(days=days, seconds=-second)
    return stroke | {"timestamp": moment.replace(microsecond=0).isoformat()}


def counters_are_true() -> None:
    for session in Session.objects.all():
        events = Event.objects.filter(session=session)
        rejected = RejectedEvent.objects.filter(session=session, resolved_at=None)
        assert session.event_count == events.count()
        assert session.error_count == rejected.count()
        first, last = events.order_by("pk").first(), events.order_by("pk").last()
        senders = {*events.values_list("application_id", flat=True)}
        senders |= {*rejected.values_list("application_id", flat=True)}
        linked = {*session.applications.values_list("pk", flat=True)}
        if session.expired_events:  # by which the span may be longer, and the senders more
            assert session.first_at
            assert session.last_at
            for there in (first, last):
                assert not there or session.first_at <= there.timestamp <= session.last_at
            assert linked >= senders
        else:
            assert session.first_at == (first and first.timestamp)
            assert session.last_at == (last and last.timestamp)
            assert linked == senders


class TestRejecting:
    def test_what_is_too_old_is_rejected(self, shop: Sender, session: UUID) -> None:
        keep(shop, 31)
        receipt = shop.send(event(session, timestamp=ago(32)), event(session, timestamp=ago(30)))
        assert (receipt.stored, receipt.rejected) == (1, 1)
        error = EventError.objects.get()
        assert (error.field, error.code) == ("timestamp", "too_old")
        assert "31 days" in error.message

    def test_by_default_nothing_is_too_old(self, shop: Sender, session: UUID) -> None:
        assert shop.send(event(session, timestamp=ago(9_000))).stored == 1

    def test_each_application_has_its_own_limit(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        keep(shop, 31)
        assert stranger.send(event(session, timestamp=ago(32))).stored == 1

    def test_other_wrong_fields_are_told_too(self, shop: Sender, session: UUID) -> None:
        keep(shop, 31)
        shop.send(event(session, timestamp=ago(32), category="", data={}))
        fields = EventError.objects.values_list("field", flat=True)
        assert {*fields} == {"timestamp", "category", "data"}

    def test_it_is_as_old_as_it_was_when_it_came(self, shop: Sender, session: UUID) -> None:
        """So that a batch that waited, or is replayed, has the fate that it would have had."""
        keep(shop, 31)
        receipt = shop.post(event(session, timestamp=ago(32))).json()["receipt"]
        Batch.objects.update(received_at=now() - timedelta(days=2))
        digest_until_empty()
        assert Receipt.objects.get(pk=receipt).stored == 1

    def test_a_dry_run_tells_it(self, shop: Sender, session: UUID) -> None:
        keep(shop, 31)
        answer = shop.post(event(session, timestamp=ago(32)), "/api/events/validate").json()
        (error,) = answer["results"][0]["errors"]
        assert (error["field"], error["code"]) == ("timestamp", "too_old")

    def test_a_point_is_refused_with_the_others(self, shop: Sender, session: UUID) -> None:
        keep(shop, 31)
        points = [{"time": ago(1), "x": 1}, {"time": ago(32), "x": 2}]
        answer = shop.post(points, f"/api/sessions/{session}/pointer")
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("[1].time", "too_old")

    def test_a_mended_schema_does_not_bring_it_in(self, shop: Sender, session: UUID) -> None:
        give_schema(NUMBER)
        shop.send(sale(session, "1", timestamp=ago(32)), sale(session, "2", timestamp=ago(30)))
        give_schema(TEXT)
        keep(shop, 31)
        assert (again().stored, again().still_rejected) == (1, 1)

    def test_what_was_in_time_can_still_be_corrected(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(32)))
        Event.objects.update(received_at=now() - timedelta(days=31))
        keep(shop, 31)
        corrections.correct(Event.objects.get().pk, {"name": "other"}, SOMEBODY)
        assert Event.objects.get().name == "other"

    @pytest.mark.parametrize("days", [0, 10_001])
    def test_the_database_takes_no_other_number_of_days(self, shop: Sender, days: int) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            keep(shop, days)


class TestDeleting:
    def test_what_grew_too_old_goes_and_its_report_stays(self, shop: Sender, session: UUID) -> None:
        receipt = shop.send(stroke(session, 32, 0), stroke(session, 32, 1))
        recent = uuid4()
        shop.send(stroke(recent, 30, 0))
        builder.build_stale()
        before = numbers(session), seconds(session)
        keep(shop, 31)
        assert run() == Totals(events=2, ended="done")
        assert Event.objects.get().session_id == recent
        assert (kept(session), kept(recent)) == ((0, 2), (1, 0))
        assert not Session.objects.get(pk=session).stale
        assert (numbers(session), seconds(session)) == before
        counters_are_true()
        receipt.refresh_from_db()
        assert (receipt.events, receipt.stored) == (2, 2)

    def test_by_default_nothing_goes(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(9_000)))
        assert run() == Totals(ended="done")
        assert Event.objects.exists()

    def test_what_went_is_not_stored_again(self, shop: Sender, session: UUID) -> None:
        old = event(session, timestamp=ago(32))
        shop.send(old)
        keep(shop, 31)
        run()
        receipt = shop.send(old)
        assert (receipt.stored, receipt.duplicate, receipt.rejected) == (0, 0, 1)
        assert EventError.objects.get().code == "too_old"

    def test_of_a_session_that_goes_on_the_report_is_of_all_that_it_had(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        strokes = [stroke(session, 32, 0), *(stroke(session, 30, second) for second in range(3))]
        shop.send(*strokes[:3])
        builder.build_stale()
        keep(shop, 31)
        assert run().events == 1
        counters_are_true()
        assert not Session.objects.get().stale
        shop.send(strokes[3])
        assert kept(session) == (3, 1)
        reported_as_a_twin_of(stranger, session, strokes)

    def test_applications_that_keep_less_long_than_others_lose_only_their_own(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        mine = uuid4()
        shop.send(*(event(id, timestamp=ago(32)) for id in (session, mine)))
        stranger.send(event(session, timestamp=ago(33)))
        keep(shop, 31)
        assert run() == Totals(events=2, ended="done")
        counters_are_true()
        assert (kept(session), kept(mine)) == ((1, 1), (0, 1))
        assert shop.get(f"/api/sessions/{session}").status_code == 200
        keep(stranger, 32)
        assert run() == Totals(events=1, ended="done")
        assert (kept(session), kept(mine)) == ((0, 2), (0, 1))

    def test_an_application_stays_in_a_session_with_what_it_has_left(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(32)), event(session, timestamp=ago(1)))
        stranger.send(event(session, timestamp=ago(32)))
        keep(shop, 31)
        run()
        counters_are_true()
        assert SessionApplication.objects.count() == 2

    def test_rejected_events_go_after_so_many_days(self, shop: Sender, session: UUID) -> None:
        receipt = shop.send(event(session, category="", data={}), "not an event", event(session))
        keep(shop, 31)
        assert run().rejected == 0
        days_pass(32)
        shop.send(event(session, name=""))
        assert run() == Totals(rejected=2, ended="done")
        assert EventError.objects.get().field == "name"
        assert RejectedEvent.objects.count() == 1
        counters_are_true()
        receipt.refresh_from_db()
        assert receipt.rejected == 2

    def test_a_session_of_errors_alone_goes_with_them(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, category=""))
        keep(shop, 31)
        days_pass(32)
        assert run() == Totals(rejected=1, sessions=1, ended="done")
        assert not Session.objects.exists()

    def test_a_session_stays_with_the_errors_it_has_left(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(32)), event(session, category=""))
        builder.build_stale()
        keep(shop, 31)
        assert run() == Totals(events=1, ended="done")
        counters_are_true()
        report = SessionReport.objects.get()
        assert (report.events, report.errors) == (1, 1)

    def test_errors_that_go_are_no_longer_in_the_report(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(32)), event(session, category=""))
        builder.build_stale()
        keep(shop, 31)
        days_pass(32)
        assert run() == Totals(events=1, rejected=1, ended="done")
        builder.build_stale()
        report = SessionReport.objects.get()
        assert (report.events, report.errors, report.final) == (1, 0, False)
        counters_are_true()

    def test_what_was_rejected_again_since_stays(self, shop: Sender, session: UUID) -> None:
        wrong = event(session, category="")
        shop.send(wrong)
        keep(shop, 31)
        days_pass(32)
        shop.send(wrong)
        assert run() == Totals(ended="done")
        assert EventError.objects.count() == 1
        counters_are_true()

    def test_what_was_mended_goes_too(self, shop: Sender, session: UUID) -> None:
        give_schema(NUMBER)
        shop.send(sale(session, "1", timestamp=ago(1)))
        give_schema(TEXT)
        again()
        keep(shop, 31)
        days_pass(32)
        assert run() == Totals(rejected=1, ended="done")
        counters_are_true()
        assert Event.objects.exists()

    def test_the_lists_go_on(self, shop: Sender, session: UUID) -> None:
        other = uuid4()
        shop.send(stroke(session, 32, 0), stroke(other, 32, 0), stroke(other, 1, 0))
        builder.build_stale()
        keep(shop, 31)
        run()
        builder.build_stale()
        sessions = {row["id"]: row["events"] for row in shop.get("/api/sessions").json()["results"]}
        assert sessions == {str(session): 1, str(other): 2}
        assert len(shop.get("/api/events").json()["results"]) == 1
        assert len(shop.get("/api/reports").json()["results"]) == 2
        lines = b"".join(shop.get("/api/reports.csv").streaming_content).splitlines()
        assert len(lines) == 3


def days_pass(days: int) -> None:
    """For what was rejected so far."""
    EventError.objects.update(created_at=now() - timedelta(days=days))


def numbers(session: UUID) -> dict[str, Any]:
    (report,) = SessionReport.objects.filter(pk=session).values()
    apart = {"session_id", "computed_at", "build", "anew_build", "revision", "state"}
    apart |= {"application_ids"}  # a twin may have another sender
    return {name: value for name, value in report.items() if name not in apart}


def reported_as_a_twin_of(keeper: Sender, session: UUID, events: list[Any]) -> None:
    """As a session of the same events is that are all there."""
    twin = uuid4()
    keeper.send(*(event | {"session_id": str(twin)} for event in events))
    builder.build_stale()
    assert numbers(session) == numbers(twin)
    assert seconds(session) == seconds(twin)


def seconds(session: UUID) -> list[Any]:
    rows = PointerSecond.objects.filter(session=session).order_by("second")
    return [*rows.values_list("second", "distance_px", "moving_ms", "peak_speed", "samples")]


@pytest.fixture
def many(shop: Sender, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Five sessions with twenty old events each, and slices that are shorter than that."""
    monkeypatch.setattr(retention, "SLICE", 7)
    ids = [uuid4() for _ in range(5)]
    shop.send(*(event(id, timestamp=ago(32 + n / 100)) for n in range(20) for id in ids))
    keep(shop, 31)
    return ids


class TestRuns:
    def test_many_are_deleted_slice_by_slice(self, many: list[UUID]) -> None:
        seen: list[int] = []
        totals = retain(now(), lambda totals: seen.append(totals.events))
        assert totals == Totals(events=100, ended="done")
        assert [kept(id) for id in many] == [(0, 20)] * 5
        assert seen == [*range(7, 100, 7), 100]

    def test_a_slice_is_of_few_sessions(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SLICE_SESSIONS", 3)
        seen: list[int] = []
        retain(now(), lambda totals: seen.append(totals.events))
        assert seen[0] == 3
        assert seen[-1] == 100

    def test_one_that_ends_halfway_is_gone_on_with(self, many: list[UUID]) -> None:
        def killed(totals: Totals) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            retain(now(), killed)
        counters_are_true()
        assert run().events == 93
        assert [kept(id) for id in many] == [(0, 20)] * 5

    def test_one_that_takes_long_ends_and_says_so(
        self, many: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "LONGEST_RUN_SECONDS", 0.0)
        assert run() == Totals(events=7, ended=retention.OUT_OF_TIME)
        counters_are_true()

    def test_a_second_one_ends_at_once_and_says_so(self, many: list[UUID]) -> None:
        with transaction.atomic():
            assert locks.try_retention()
            with ThreadPoolExecutor(1) as other:
                assert other.submit(elsewhere, run).result() == Totals(ended=retention.BUSY)
        assert run().events == 100

    def test_staff_may_think_better_of_it(self, shop: Sender, many: list[UUID]) -> None:
        assert retain(now(), lambda totals: keep(shop, None)).events == 7

    def test_to_run_again_does_nothing(self, many: list[UUID]) -> None:
        run()
        assert run() == Totals(ended="done")


class TestBesideADigest:
    def test_counters_stay_true(
        self, shop: Sender, stranger: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SLICE", 5)
        monkeypatch.setattr(claims, "MAX_BATCHES", 3)
        ids = [uuid4() for _ in range(8)]
        for sender in (shop, stranger):
            sender.send(*(event(id, timestamp=ago(32 + n)) for n in range(10) for id in ids))
        for n in range(40):
            mixed = [event(ids[(n + k) % 8], timestamp=ago(1), name=f"new {n}") for k in range(5)]
            (shop, stranger)[n % 2].post([*mixed, event(ids[n % 8], category="", name=str(n))])
        keep(shop, 31)
        keep(stranger, 32)
        with ThreadPoolExecutor(2) as others:
            digests = [others.submit(elsewhere, digest_until_empty) for _ in range(2)]
            assert run().ended == "done"
            for digest in digests:
                digest.result()
        assert not Batch.objects.exists()
        run()
        counters_are_true()
        assert Event.objects.count() == 200

    def test_a_session_that_goes_while_it_gets_an_event_begins_anew(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, category="", data={}))
        keep(shop, 31)
        days_pass(32)
        shop.post([event(session), event(session, category="")])
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                assert run().sessions == 1
                digest: Future[Any] = other.submit(elsewhere, digest_until_empty)
                until(somebody_waits)
            digest.result()
        counters_are_true()
        assert (Event.objects.count(), Session.objects.get().error_count) == (1, 1)

    def test_a_rejected_event_that_goes_while_it_comes_again_is_rejected_anew(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, category=""))
        keep(shop, 31)
        days_pass(32)
        shop.post(event(session, category=""))
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                assert run().rejected == 1
                digest: Future[Any] = other.submit(elsewhere, digest_until_empty)
                until(somebody_waits)
            digest.result()
        counters_are_true()
        assert EventError.objects.count() == 1

    def test_a_rejected_event_that_comes_again_just_before_stays(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.send(event(session, category=""))
        keep(shop, 31)
        days_pass(32)
        shop.post(event(session, category=""))
        merging, insert = threading.Event(), store._insert

        def slow(*args: Any) -> Any:
            sessions = insert(*args)
            merging.set()
            until(somebody_waits)
            return sessions

        monkeypatch.setattr(store, "_insert", slow)
        with ThreadPoolExecutor(1) as other:
            digest: Future[Any] = other.submit(elsewhere, digest_until_empty)
            assert merging.wait(10)
            assert run() == Totals(ended="done")
            digest.result()
        counters_are_true()
        assert EventError.objects.count() == 1

    def test_a_report_that_is_built_meanwhile_is_waited_for(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.send(stroke(session, 32, 0))
        keep(shop, 31)
        saving, save = threading.Event(), assembly._save

        def slow(*args: Any, **kwargs: Any) -> None:
            saving.set()
            until(somebody_waits)
            save(*args, **kwargs)

        monkeypatch.setattr(assembly, "_save", slow)
        with ThreadPoolExecutor(1) as other:
            built = other.submit(elsewhere, builder.build, session)
            assert saving.wait(10)
            assert run().sessions == 0
            built.result()
        assert kept(session) == (0, 1)
        assert (SessionReport.objects.get().events, PointerSecond.objects.count()) == (1, 1)
        assert not Session.objects.get().stale


class TestTask:
    """Last, because its worker goes on beside what comes after it."""

    def test_a_worker_runs_it_and_shows_what_it_did(
        self, shop: Sender, session: UUID, worker: Process
    ) -> None:
        shop.send(event(session, timestamp=ago(32)))
        keep(shop, 31)
        id = tasks.retention.delay().id
        done = TaskResult.objects.filter(task_id=id, status="SUCCESS")
        (result,) = until(lambda: [*done.values_list("result", flat=True)])
        assert json.loads(result) == asdict(Totals(events=1, ended="done"))

    def test_a_run_that_takes_long_is_followed_by_another(
        self, many: list[UUID], worker: Process, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "LONGEST_RUN_SECONDS", 0.0)
        assert tasks.retention.apply().get()["ended"] == retention.OUT_OF_TIME
        until(lambda: not Event.objects.exists())
