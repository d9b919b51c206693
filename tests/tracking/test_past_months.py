"""Months of which nobody keeps anything: they go whole, and then their sessions are settled.

Events are kept for 30 days here. What happened 70 days ago lies in a month that is past by then.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from reports import builder
from tests.cast import Sender, elsewhere, event, sender, somebody_waits
from tests.tracking.test_partitions import drop, partitions
from tests.tracking.test_reprocess import SOMEBODY
from tests.tracking.test_retention import (
    ago,
    counters_are_true,
    keep,
    kept,
    nobody_builds_reports,
    numbers,
    reported_as_a_twin_of,
    run,
    seconds,
    stroke,
)
from tests.waiting import until
from tracking import claims, erase, retention
from tracking.digest import digest_until_empty
from tracking.models import Batch, Event, Receipt, Session, SessionApplication
from tracking.partitions import detach_past, detached, ensure_partitions, next_sessions
from tracking.retention import Totals

__all__ = ["nobody_builds_reports"]


@pytest.fixture(autouse=True)
def months(transactional_db: None) -> Iterator[None]:
    """A partition for each month of the last half year; afterwards those of a new database."""
    drop(partitions())
    ensure_partitions(now() - timedelta(days=180))
    ensure_partitions(now())
    yield
    drop([*partitions(), *detached()])
    ensure_partitions(now())


def gone(events: int, before: list[str]) -> Totals:
    """What a run says that left so many of the partitions there were."""
    return Totals(
        # The one for old time went too, and another one came.
        partitions=1 + len(before) - len(partitions()),
        events=events,
        ended="done",
    )


def detach() -> None:
    """As a run does that is killed right after."""
    assert detach_past(now() - timedelta(days=30))


class TestDropping:
    def test_a_month_goes_without_a_row_of_it_being_deleted(
        self, shop: Sender, session: UUID
    ) -> None:
        receipt = shop.send(stroke(session, 70, 0), stroke(session, 70, 1))
        recent = uuid4()
        shop.send(stroke(recent, 1, 0))
        builder.build_stale()
        report = numbers(session), seconds(session)
        keep(shop, 30)
        before = partitions()
        with CaptureQueriesContext(connection) as queries:
            assert run() == gone(events=2, before=before)
        assert not [q["sql"] for q in queries if "DELETE FROM tracking_event WHERE" in q["sql"]]
        assert len(partitions()) < len(before)
        assert detached() == []
        assert Event.objects.get().session_id == recent
        assert (kept(session), kept(recent)) == ((0, 2), (1, 0))
        assert (numbers(session), seconds(session)) == report
        receipt.refresh_from_db()
        assert (receipt.events, receipt.stored) == (2, 2)
        assert run() == Totals(ended="done")

    def test_of_a_session_that_goes_on_the_report_is_of_all_that_it_had(
        self, shop: Sender, session: UUID
    ) -> None:
        old = [stroke(session, 100, 0), stroke(session, 70, 0)]
        strokes = [*old, *(stroke(session, 1, second) for second in range(3))]
        shop.send(*strokes[:3])
        builder.build_stale()
        keep(shop, 30)
        assert run().events == 2
        counters_are_true()
        assert not Session.objects.get().stale
        shop.send(*strokes[3:])
        builder.build_stale()
        keep(shop, None)
        reported_as_a_twin_of(shop, session, strokes)

    def test_a_report_goes_on_between_the_detaching_and_the_settling(
        self, shop: Sender, session: UUID
    ) -> None:
        strokes = [stroke(session, 70, 0), *(stroke(session, 1, second) for second in range(3))]
        shop.send(*strokes[:2])
        builder.build_stale()
        keep(shop, 30)
        detach()
        shop.send(strokes[2])
        builder.build_stale()
        run()
        shop.send(strokes[3])
        builder.build_stale()
        keep(shop, None)
        reported_as_a_twin_of(shop, session, strokes)

    def test_a_report_that_cannot_go_on_before_the_settling_is_final(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(stroke(session, 70, 0), stroke(session, 1, 2))
        builder.build_stale()
        before = numbers(session)
        keep(shop, 30)
        detach()
        shop.send(stroke(session, 1, 0))
        assert builder.build_stale() == {"built": 1, "failed": 0}
        with pytest.raises(builder.EventsExpired):
            builder.recompute(session)
        assert numbers(session) == before | {"final": True}
        run()
        assert numbers(session) == before | {"final": True}
        assert not Session.objects.get().stale

    def test_an_application_stays_in_the_sessions_that_it_sent_to(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)), event(session, timestamp=ago(1)))
        stranger.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        keep(stranger, 20)
        assert run().events == 2
        counters_are_true()
        assert SessionApplication.objects.count() == 2

    def test_a_session_stays_with_the_errors_it_has_left(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(70)), event(session, category=""))
        keep(shop, 30)
        assert run().events == 1
        counters_are_true()
        assert (Session.objects.get().event_count, Session.objects.get().error_count) == (0, 1)

    def test_any_session_is_settled_whatever_its_id(self, shop: Sender) -> None:
        for id in (UUID(int=0), UUID(int=2**128 - 1)):
            shop.send(event(id, timestamp=ago(70)))
        keep(shop, 30)
        assert run().events == 2
        assert [*Session.objects.values_list("event_count", flat=True)] == [0, 0]

    def test_old_time_goes_whole_too(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(300)), event(session, timestamp=ago(1)))
        keep(shop, 30)
        before = partitions()
        assert run() == gone(events=1, before=before)
        counters_are_true()
        assert partitions()[0] == "tracking_event_old"

    def test_what_is_left_of_a_month_goes_by_rows(self, shop: Sender, session: UUID) -> None:
        ages = [n / 2 for n in range(50, 150)]
        shop.send(*(event(session, timestamp=ago(days)) for days in ages))
        keep(shop, 30)
        before = partitions()
        assert run() == gone(events=sum(days >= 30 for days in ages), before=before)
        counters_are_true()

    def test_as_long_as_one_application_keeps_it_a_month_stays(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        for each in (shop, stranger):
            each.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        for days in (None, 150):
            keep(stranger, days)
            run()
            counters_are_true()
            assert Event.objects.get().application_id == stranger.application_id

    def test_an_application_that_comes_meanwhile_keeps_everything(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        before = partitions()
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                sender("new")
                totals: Future[Totals] = other.submit(elsewhere, run)
                until(somebody_waits)
            assert totals.result() == Totals(events=1, ended="done")
        assert partitions() == before

    def test_where_somebody_reads_on_and_on_it_goes_by_rows(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.01)
        with transaction.atomic():
            assert Event.objects.exists()  # and the table is locked to the end of this
            with ThreadPoolExecutor(1) as other:
                totals = other.submit(elsewhere, run).result()
        assert totals == Totals(events=1, ended="done")
        assert run().partitions > 1


class TestKilled:
    """Between the detaching and the settling, or in the midst of that."""

    def test_the_next_run_settles_what_was_detached(self, shop: Sender, session: UUID) -> None:
        other = uuid4()
        shop.send(*(event(id, timestamp=ago(70)) for id in (session, other)))
        shop.send(event(other, timestamp=ago(1)))
        keep(shop, 30)
        detach()
        keep(shop, None)  # it is too late for that
        assert (run().events, run().events) == (2, 0)
        counters_are_true()
        assert (kept(session), kept(other)) == ((0, 1), (1, 1))

    def test_it_goes_on_where_that_ended(
        self, shop: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SLICE_SESSIONS", 2)
        ids = [uuid4() for _ in range(5)]
        shop.send(*(event(id, timestamp=ago(70), name=f"{n}") for id in ids for n in range(3)))
        shop.send(*(event(id, timestamp=ago(1)) for id in ids))
        keep(shop, 30)

        def killed(totals: Totals) -> None:
            if totals.events:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            retention.retain(now(), killed)
        settled = dict(Session.objects.filter(event_count=1).values_list("pk", "revision"))
        assert len(settled) == 2
        assert {id for table in detached() for id in next_sessions(table, 9)} == {*ids} - {*settled}
        assert run().events == 9
        counters_are_true()
        for id, revision in settled.items():
            assert Session.objects.get(pk=id).revision == revision

    def test_one_that_takes_long_ends_and_says_so(
        self, shop: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SLICE_SESSIONS", 2)
        monkeypatch.setattr(retention, "LONGEST_RUN_SECONDS", 0.0)
        shop.send(*(event(uuid4(), timestamp=ago(70)) for _ in range(3)))
        keep(shop, 30)
        ends = [run() for _ in range(9)]
        assert sum(totals.events for totals in ends) == 3
        assert (ends[0].ended, ends[-1].ended) == (retention.OUT_OF_TIME, "done")
        assert detached() == []

    def test_a_comment_that_somebody_wrote_on_a_month_is_not_taken_for_ours(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        with connection.cursor() as cursor:
            for name in partitions():
                cursor.execute(f"COMMENT ON TABLE {name} IS 'mine'")
        keep(shop, 30)
        assert run().events == 1


class TestMeanwhile:
    """What happens to a session between the detaching and the settling."""

    def test_a_new_event_counts(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        detach()
        shop.send(event(session, timestamp=ago(1)))
        assert run().events == 1
        counters_are_true()

    def test_an_event_that_is_deleted_by_hand_counts_no_longer(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(*(event(session, timestamp=ago(days)) for days in (70, 2, 1)))
        keep(shop, 30)
        detach()
        erase.delete_event(Event.objects.earliest("timestamp"), SOMEBODY)
        assert run().events == 1
        counters_are_true()
        assert Session.objects.get().event_count == 1

    def test_what_one_application_sent_may_be_erased(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        for each in (shop, stranger):
            each.send(*(event(session, timestamp=ago(days)) for days in (70, 1)))
            keep(each, 30)
        detach()
        erase.erase_session(session, shop.application_id, SOMEBODY)
        run()
        counters_are_true()
        assert Session.objects.get().event_count == 1

    def test_a_session_that_is_erased_and_begins_anew_loses_nothing(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        for each in (shop, stranger):
            keep(each, 30)
        detach()
        erase.erase_session(session, shop.application_id, SOMEBODY)
        stranger.send(event(session, timestamp=ago(1)))
        assert run().events == 0
        counters_are_true()
        assert Session.objects.get().event_count == 1

    def test_an_event_that_came_in_time_and_is_stored_now_goes_by_itself(
        self, shop: Sender, session: UUID
    ) -> None:
        """The same one as before, or another: nothing is left that says which."""
        shop.send(event(session, timestamp=ago(70)))
        receipt = came_in_time(shop, session)
        keep(shop, 30)
        detach()
        digest_until_empty()
        assert Session.objects.get().event_count == 3
        assert run().events == 3
        assert kept(session) == (0, 3)
        assert Receipt.objects.get(pk=receipt).stored == 2


def came_in_time(shop: Sender, session: UUID) -> UUID:
    """A batch of 69 days ago that still waits; its receipt."""
    same, other = event(session, timestamp=ago(70)), event(session, timestamp=ago(70), name="other")
    receipt = shop.post([same, other]).json()["receipt"]
    Batch.objects.update(received_at=now() - timedelta(days=69))
    return UUID(receipt)


class TestBesideADigest:
    def test_counters_stay_true(
        self, shop: Sender, stranger: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SLICE_SESSIONS", 2)
        monkeypatch.setattr(claims, "MAX_BATCHES", 3)
        ids = [uuid4() for _ in range(8)]
        for each in (shop, stranger):
            each.send(*(event(id, timestamp=ago(70 + n)) for n in range(10) for id in ids))
        for n in range(40):
            mixed = [event(ids[(n + k) % 8], timestamp=ago(1), name=f"new {n}") for k in range(5)]
            (shop, stranger)[n % 2].post([*mixed, event(ids[n % 8], category="", name=str(n))])
        keep(shop, 30)
        keep(stranger, 31)
        with ThreadPoolExecutor(2) as others:
            digests = [others.submit(elsewhere, digest_until_empty) for _ in range(2)]
            totals = run()
            for digest in digests:
                digest.result()
        assert (totals.events, totals.ended) == (160, "done")
        counters_are_true()
        assert Event.objects.count() == 200

    def test_one_that_comes_while_months_are_detached_finds_a_partition(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        receipt = came_in_time(shop, session)
        keep(shop, 30)
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                detach()
                digest: Future[Any] = other.submit(elsewhere, digest_until_empty)
                until(somebody_waits)
            digest.result()
        assert Receipt.objects.get(pk=receipt).stored == 2
        assert run().events == 3

    def test_a_session_that_is_settled_while_it_gets_an_event_counts_it(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        shop.post([event(session), event(session, category="")])
        detach()
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                assert run().events == 1
                digest: Future[Any] = other.submit(elsewhere, digest_until_empty)
                until(somebody_waits)
            digest.result()
        counters_are_true()
        assert (kept(session), Session.objects.get().error_count) == ((1, 1), 1)

    def test_a_session_that_gets_an_event_just_before_stays(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=ago(70)))
        keep(shop, 30)
        shop.post(event(session))
        detach()
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                digest_until_empty()
                totals: Future[Totals] = other.submit(elsewhere, run)
                until(somebody_waits)
            assert totals.result().sessions == 0
        counters_are_true()
        assert Session.objects.get().event_count == 1
