import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection
from django.utils.timezone import now
from msgspec.structs import replace

from tests.cast import Sender, a_schema_that_does_not_fit, at, elsewhere, event, move
from tracking import claims, digest, event_types, inbox, partitions, store
from tracking.audit import Actor
from tracking.checking import Checker
from tracking.models import (
    Batch,
    Event,
    EventError,
    Receipt,
    RejectedEvent,
    Session,
    SetAsideBatch,
)
from tracking.prepared import Prepared, prepare


def counts(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.events, receipt.stored, receipt.duplicate, receipt.rejected


def session_row(session: UUID) -> dict[str, Any]:
    fields = ("event_count", "error_count", "revision")
    return dict(Session.objects.filter(pk=session).values(*fields).get())


def test_a_batch_becomes_events_a_session_and_a_receipt(shop: Sender, session: UUID) -> None:
    receipt = shop.send(event(session), event(session, timestamp=at(60), name="other"))
    assert counts(receipt) == (2, 2, 0, 0)
    assert not Batch.objects.exists()
    stored = Session.objects.get(pk=session)
    assert stored.event_count == Event.objects.filter(session=session).count() == 2
    assert stored.first_at is not None
    assert stored.last_at is not None
    assert stored.last_at - stored.first_at == timedelta(seconds=60)
    assert [application.pk for application in stored.applications.all()] == [shop.application_id]


def test_an_event_keeps_what_was_sent(shop: Sender, session: UUID) -> None:
    awkward = 'tab\t line\n return\r back\\slash \\N \\. quote" é \U0001f441 \u202e'
    sent = event(session, category=awkward, name=awkward, data={awkward: [awkward, 0.1, None]})
    shop.send(sent)
    stored = Event.objects.get()
    assert (stored.category, stored.name, stored.data) == (
        sent["category"],
        sent["name"],
        sent["data"],
    )
    assert stored.timestamp.isoformat() == sent["timestamp"]


def test_the_same_batch_sent_twice_is_stored_once(shop: Sender, session: UUID) -> None:
    batch = [event(session), event(session, name="other")]
    before = shop.send(*batch)
    row = session_row(session)
    after = shop.send(*batch)
    assert counts(before) == (2, 2, 0, 0)
    assert counts(after) == (2, 0, 2, 0)
    assert session_row(session) == row


def test_the_same_event_twice_in_a_batch_is_stored_once(shop: Sender, session: UUID) -> None:
    assert counts(shop.send(*[event(session)] * 3)) == (3, 1, 2, 0)
    assert session_row(session)["event_count"] == 1


def test_the_same_batch_waiting_twice_is_stored_once(shop: Sender, session: UUID) -> None:
    responses = [shop.post([event(session), event(session, name="b")]) for _ in range(3)]
    assert digest.digest_until_empty()["batches"] == 3
    receipts = [Receipt.objects.get(pk=response.json()["receipt"]) for response in responses]
    assert [counts(receipt) for receipt in receipts] == [(2, 2, 0, 0), (2, 0, 2, 0), (2, 0, 2, 0)]


def test_two_applications_may_send_the_same_to_one_session(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    sent = event(session, id="7")
    assert counts(shop.send(sent)) == counts(stranger.send(sent)) == (1, 1, 0, 0)
    assert session_row(session)["event_count"] == 2
    assert Session.objects.get(pk=session).applications.count() == 2


def test_of_the_same_client_id_the_first_stays(shop: Sender, session: UUID) -> None:
    shop.send(event(session, id="7", name="first"))
    assert counts(shop.send(event(session, id="7", name="second"))) == (1, 0, 1, 0)
    assert Event.objects.get().name == "first"


def test_old_events_are_stored(shop: Sender, session: UUID) -> None:
    receipt = shop.send(event(session, timestamp="2021-01-01 09:15:27.243860"))
    assert counts(receipt) == (1, 1, 0, 0)


def test_a_wrong_event_does_not_sink_its_batch(shop: Sender, session: UUID) -> None:
    wrong = event(session, category="", data={}, timestamp="then")
    receipt = shop.send(event(session), wrong, event(session, name="other"), 5)
    assert counts(receipt) == (4, 2, 0, 2)
    errors = EventError.objects.filter(receipt=receipt).order_by("id")
    assert [(error.position, error.field, error.code) for error in errors] == [
        (1, "category", "empty"),
        (1, "data", "empty"),
        (1, "timestamp", "not_a_timestamp"),
        (3, "", "not_an_object"),
    ]
    assert json.loads(errors[0].event.payload) == wrong
    assert session_row(session) == {"event_count": 2, "error_count": 1, "revision": 1}


def test_errors_alone_make_a_session_that_can_be_found(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    assert session_row(session) == {"event_count": 0, "error_count": 1, "revision": 1}


def test_what_no_column_holds_becomes_an_error(shop: Sender, session: UUID) -> None:
    body = json.dumps([event(session), event(session, data={"a": "\0"})])
    surrogate = event(session, data={"\ud800": 1})
    receipt = shop.send(*json.loads(body), surrogate)
    assert counts(receipt) == (3, 1, 0, 2)
    codes = EventError.objects.order_by("position").values_list("field", "code")
    assert list(codes) == [("data.a", "nul_character"), ("data.\\ud800", "lone_surrogate")]


def test_the_clock_offset_is_the_smallest_seen(shop: Sender, session: UUID) -> None:
    for seconds, name in ((-30, "a"), (90, "b"), (-10, "c")):
        sent_at = (now() + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
        shop.post(event(session, name=name), f"/api/events?sent_at={sent_at}")
    digest.digest_until_empty()
    offset = Session.objects.get(pk=session).clock_offset_ms
    assert offset is not None
    assert -90_000 <= offset < -80_000


def test_a_session_is_changed_once_by_a_batch_and_not_by_a_repetition(
    shop: Sender, session: UUID
) -> None:
    batch = [move(session, second, second, 0) for second in range(10)]
    shop.send(*batch)
    shop.send(*batch, move(session, 10, 10, 0))
    shop.send(*batch)
    assert session_row(session)["revision"] == 2


class TestClaims:
    def test_a_batch_whose_worker_died_comes_back(self, shop: Sender, session: UUID) -> None:
        shop.post(event(session))
        claims.claim()
        Batch.objects.update(next_at=now())
        assert digest.digest_until_empty() == {"batches": 1, "events": 1}

    def test_who_lost_its_claim_stores_nothing(self, shop: Sender, session: UUID) -> None:
        shop.post(event(session))
        late = claims.claim()
        Batch.objects.update(next_at=now())
        digest.digest_until_empty()
        digest._digest(digest._prepared(late, event_types.current()))
        assert Event.objects.count() == Receipt.objects.count() == 1

    def test_a_batch_that_keeps_failing_is_set_aside_and_can_be_replayed(
        self, shop: Sender, session: UUID
    ) -> None:
        receipt_id = shop.post(event(session)).json()["receipt"]
        Batch.objects.update(attempts=claims.MAX_ATTEMPTS)
        digest.digest_until_empty()
        kept = SetAsideBatch.objects.get()
        assert not Batch.objects.exists()
        assert "8 attempts" in kept.reason
        assert shop.get(f"/api/receipts/{receipt_id}").json()["state"] == "set_aside"
        assert inbox.replay([kept.pk], Actor("somebody")) == 1
        digest.digest_until_empty()
        assert counts(Receipt.objects.get(pk=receipt_id)) == (1, 1, 0, 0)
        assert not SetAsideBatch.objects.exists()

    def test_a_body_that_cannot_be_read_does_not_stop_the_others(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.post(event(session))
        Batch.objects.update(body=b"garbage")
        shop.post(event(session, name="good"))
        digest.digest_until_empty()
        assert Event.objects.get().name == "good"
        assert Batch.objects.get().attempts == 1


class TestDatabaseErrors:
    def test_what_copy_refuses_is_rejected_like_all_that_the_database_refuses(
        self, shop: Sender, session: UUID
    ) -> None:
        """The second event is for COPY to find; the checks in Python would have found it."""
        shop.post([event(session, name="good"), event(session, name="poison")])
        (batch,) = claims.claim()
        checked = Checker(event_types.current()).check(batch)
        checked.valid[1] = replace(checked.valid[1], name="nul \0")
        digest._digest(prepare([checked]))
        assert EventError.objects.get().code == "not_storable"
        assert Event.objects.get().name == "good"

    def test_an_event_that_the_database_refuses_is_found_and_rejected(
        self, shop: Sender, session: UUID
    ) -> None:
        """A constraint stands in for whatever the checks in Python did not foresee."""
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE tracking_event ADD CONSTRAINT no_poison CHECK (name <> 'poison')"
            )
        try:
            receipt = shop.send(
                *[event(session, name=name) for name in ("a", "poison", "b", "poison", "c")]
            )
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE tracking_event DROP CONSTRAINT no_poison")
        assert counts(receipt) == (5, 3, 0, 2)
        errors = EventError.objects.order_by("position")
        assert [(error.position, error.code) for error in errors] == [
            (1, "not_storable"),
            (3, "not_storable"),
        ]
        assert json.loads(errors[0].event.payload)["name"] == "poison"

    def test_poison_in_one_batch_leaves_the_others_whole(self, shop: Sender, session: UUID) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE tracking_event ADD CONSTRAINT no_poison CHECK (name <> 'poison')"
            )
        try:
            for name in ("a", "poison", "b"):
                shop.post(event(session, name=name))
            digest.digest_until_empty()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE tracking_event DROP CONSTRAINT no_poison")
        assert list(Event.objects.order_by("name").values_list("name", flat=True)) == ["a", "b"]
        assert Receipt.objects.count() == 3

    def test_an_event_that_another_worker_stores_meanwhile_is_a_duplicate(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = [event(session), event(session, name="other")]
        shop.post(sent)
        first = digest._prepared(claims.claim(), event_types.current())
        receipt = shop.post(sent).json()["receipt"]
        second = digest._prepared(claims.claim(), event_types.current())
        stored, insert = threading.Event(), store._insert

        def slow(prepared: Prepared) -> list[UUID]:
            sessions = insert(prepared)
            stored.set()
            sleep(0.5)  # long enough for the other one to wait for this one's commit
            return sessions

        monkeypatch.setattr(store, "_insert", slow)
        with ThreadPoolExecutor(1) as other:
            storing = other.submit(elsewhere, digest._digest, first)
            assert stored.wait(10)
            digest._digest(second)
            storing.result()
        assert Batch.objects.get().attempts == 0
        Batch.objects.update(next_at=now())
        digest.digest_until_empty()
        assert counts(Receipt.objects.get(pk=receipt)) == (2, 0, 2, 0)
        assert session_row(session)["event_count"] == Event.objects.count() == 2

    @pytest.mark.parametrize("first", [True, False])
    def test_a_text_that_the_driver_refuses_does_not_stop_the_others(
        self, shop: Sender, session: UUID, first: bool
    ) -> None:
        shop.post([event(session, name="good"), event(session, data={})])
        shop.post(event(session, name="other"))
        batch, other = (Checker(event_types.current()).check(each) for each in claims.claim())
        batch.rejected[1] = dataclasses.replace(batch.rejected[1], payload="nul \0")
        with pytest.raises(ValueError, match="NUL"):
            digest._digest(prepare([batch, other] if first else [other, batch]))
        assert Event.objects.get().name == "other"
        assert Batch.objects.get().pk == batch.batch.id

    def test_a_schema_that_does_not_fit_sets_nothing_aside(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.post(event(session))
        with a_schema_that_does_not_fit(), pytest.raises(Exception, match="data"):
            digest.digest_until_empty()
        assert Batch.objects.get().attempts == 0
        Batch.objects.update(next_at=now())
        assert digest.digest_until_empty()["events"] == 1

    def test_nor_does_it_charge_what_was_claimed_ahead(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claims, "MAX_EVENTS", 2)
        for n in range(6):
            shop.post(event(session, timestamp=at(n)))
        with a_schema_that_does_not_fit(), pytest.raises(Exception, match="data"):
            digest.digest_until_empty()
        assert set(Batch.objects.values_list("attempts", flat=True)) == {0}


def test_many_sessions_in_one_batch_are_each_counted(shop: Sender) -> None:
    sessions = sorted(uuid4() for _ in range(50))
    shop.send(*[event(session, name=str(n)) for session in sessions for n in range(3)])
    assert set(Session.objects.values_list("event_count", "revision")) == {(3, 1)}
    assert Session.objects.count() == 50


def test_the_same_wrong_event_sent_again_is_counted_once(shop: Sender, session: UUID) -> None:
    wrong = event(session, category="")
    receipts = [shop.send(wrong, wrong), shop.send(wrong)]
    assert [receipt.rejected for receipt in receipts] == [2, 1]
    assert [receipt.errors.count() for receipt in receipts] == [2, 1]
    assert RejectedEvent.objects.count() == 1
    assert session_row(session) == {"event_count": 0, "error_count": 1, "revision": 1}


def test_of_an_event_that_is_wrong_everywhere_the_first_places_are_told(
    shop: Sender, session: UUID
) -> None:
    receipt = shop.send(event(session, data={"a": ["\0"] * 3_000}))
    fields = list(receipt.errors.order_by("id").values_list("field", flat=True))
    assert fields == [f"data.a[{n}]" for n in range(20)]


def test_a_missing_partition_stops_the_line_and_rejects_nothing(
    shop: Sender, session: UUID
) -> None:
    receipt = shop.post(event(session)).json()["receipt"]
    this_month = f"tracking_event_y{now():%Ym%m}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {this_month}")
        cursor.execute("SELECT count(*) FROM tracking_eventerror")
    try:
        with pytest.raises(IntegrityError, match="partition"):
            digest.digest_until_empty()
        assert Batch.objects.get().attempts == 0
    finally:
        partitions._make(this_month, *month_of(now()))
    Batch.objects.update(next_at=now())
    digest.digest_until_empty()
    assert counts(Receipt.objects.get(pk=receipt)) == (1, 1, 0, 0)


def month_of(moment: datetime) -> tuple[datetime, datetime]:
    return partitions._month(moment, 0), partitions._month(moment, 1)


def test_a_wrong_events_sender_can_see_its_session(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.send(event(session, category=""))
    path = f"/api/sessions/{session}"
    assert (shop.get(path).status_code, stranger.get(path).status_code) == (200, 404)


def test_the_surrogates_of_one_event_leave_the_others_as_they_were(
    shop: Sender, session: UUID
) -> None:
    emoji = event(session, data={"a": "\U0001f441" * 12_000})
    body = json.dumps([emoji, event(session, data={"b": "SURROGATE"})], ensure_ascii=False)
    response = shop.post(body.replace("SURROGATE", "\\ud800").encode())
    assert response.status_code == 202
    digest.digest_until_empty()
    assert counts(Receipt.objects.get()) == (2, 1, 0, 1)
    assert Event.objects.get().data == emoji["data"]
