"""Correcting and deleting stored events, and erasing sessions, through the API."""

import gzip
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, transaction
from django.test import Client

from reports import builder
from reports.models import PointerSecond, SessionReport
from tests.cast import Sender, at, elsewhere, event, move
from tests.tracking.test_reprocess import SOMEBODY, again, give_schema, sale
from tracking import corrections, locks, reprocess, store, tombstones
from tracking.digest import digest_until_empty
from tracking.models import (
    AuditEntry,
    DeletedEvent,
    Event,
    EventError,
    Receipt,
    RejectedEvent,
    Session,
    SessionApplication,
)


def call(sender: Sender, method: str, path: str, body: Any = None, **headers: str) -> Any:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {sender.key}", **headers}
    return sender.client.generic(
        method, path, data, content_type="application/json", headers=headers
    )


def address(event: Event) -> str:
    return f"/api/events/{event.pk}"


def report_of(session: UUID) -> SessionReport:
    builder.build_stale()
    return SessionReport.objects.get(pk=session)


class Pause:
    """Holds a thread up in a transaction, long enough for another one to wait for it."""

    def __init__(self) -> None:
        self.reached = threading.Event()

    def before[**P, T](self, step: Callable[P, T]) -> Callable[P, T]:
        def held_up(*args: P.args, **kwargs: P.kwargs) -> T:
            self.reached.set()
            sleep(0.5)
            return step(*args, **kwargs)

        return held_up

    def after[**P, T](self, step: Callable[P, T]) -> Callable[P, T]:
        def held_up(*args: P.args, **kwargs: P.kwargs) -> T:
            result = step(*args, **kwargs)
            self.reached.set()
            sleep(0.5)
            return result

        return held_up


@pytest.fixture
def stored(shop: Sender, session: UUID) -> Event:
    shop.send(event(session))
    return Event.objects.get()


class TestCorrecting:
    def test_a_field_is_corrected_and_the_others_stay(self, shop: Sender, stored: Event) -> None:
        answer = call(shop, "PATCH", address(stored), {"name": "cta hover"})
        assert answer.status_code == 200, answer.content
        stored.refresh_from_db()
        assert (stored.category, stored.name) == ("page interaction", "cta hover")
        assert stored.data == {"host": "shop.example", "element": "chat bubble"}
        assert answer.json()["name"] == "cta hover"

    def test_all_that_may_change_is_replaced(self, shop: Sender, stored: Event) -> None:
        body = {"category": "form", "name": "submit", "data": {"fields": 3}}
        assert call(shop, "PUT", address(stored) + "/", body).status_code == 200
        stored.refresh_from_db()
        assert [stored.category, stored.name, stored.data] == list(body.values())

    def test_replacing_needs_all_of_it(self, shop: Sender, stored: Event) -> None:
        answer = call(shop, "PUT", address(stored), {"category": "form"})
        assert answer.status_code == 400
        assert [wrong["field"] for wrong in answer.json()["errors"]] == ["name", "data"]

    def test_what_the_api_shows_can_be_sent_back(self, shop: Sender, stored: Event) -> None:
        shown = shop.get(address(stored)).json()
        assert call(shop, "PUT", address(stored), shown | {"name": "other"}).status_code == 200

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"timestamp": at(9)}, "timestamp"),
            ({"timestamp": "never"}, "timestamp"),
            ({"session_id": "e2085be5-9137-4e4e-80b5-f1ffddc25423"}, "session_id"),
            ({"session": {"id": "nonsense"}}, "session_id"),
        ],
        ids=["timestamp", "no timestamp", "session_id", "session"],
    )
    def test_time_and_session_stay(
        self, shop: Sender, stored: Event, change: dict[str, Any], field: str
    ) -> None:
        answer = call(shop, "PATCH", address(stored), {"name": "other", **change})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field
        assert "send it anew" in answer.json()["error"]["message"]
        assert Event.objects.get().name == "cta click"

    def test_every_wrong_field_is_named(self, shop: Sender, stored: Event) -> None:
        body = {"category": "", "name": 5, "data": "text"}
        answer = call(shop, "PATCH", address(stored), body)
        assert answer.status_code == 400
        assert {wrong["field"] for wrong in answer.json()["errors"]} == {
            "category",
            "name",
            "data",
        }

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b"5", b'{"data": NaN}', b"[" * 50_000, b'"\xff"'],
        ids=["empty", "open", "array", "scalar", "NaN", "deep", "not UTF-8"],
    )
    def test_a_body_that_is_no_object_is_refused(
        self, shop: Sender, stored: Event, body: bytes
    ) -> None:
        answer = call(shop, "PATCH", address(stored), body)
        assert answer.status_code == 400
        assert "error" in answer.json()

    def test_a_body_may_be_packed(self, shop: Sender, stored: Event) -> None:
        packed = gzip.compress(b'{"name": "other"}')
        answer = call(shop, "PATCH", address(stored), packed, **{"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json().get("name")) == (200, "other")
        answer = call(shop, "PATCH", address(stored), {}, **{"Content-Encoding": "br"})
        assert answer.status_code == 415

    def test_true_is_not_one(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session, data={"checked": 1}))
        stored = Event.objects.get()
        call(shop, "PATCH", address(stored), {"data": {"checked": True}})
        stored.refresh_from_db()
        assert stored.data["checked"] is True

    def test_a_retry_of_what_was_sent_at_first_is_still_a_duplicate(
        self, shop: Sender, stored: Event, session: UUID
    ) -> None:
        call(shop, "PATCH", address(stored), {"name": "other"})
        receipt = shop.send(event(session))
        assert (receipt.stored, receipt.duplicate) == (0, 1)
        assert Event.objects.get().name == "other"

    def test_its_session_gets_a_new_report(self, shop: Sender, session: UUID) -> None:
        shop.send(move(session, 0, 0, 0), move(session, 0.1, 30, 0), move(session, 0.2, 60, 0))
        assert report_of(session).distance_px == 60
        last = Event.objects.latest("id")
        call(shop, "PATCH", address(last), {"data": {"x": 40, "y": 0}})
        assert Session.objects.get().stale
        assert report_of(session).distance_px == 40

    def test_a_correction_beside_a_late_event_is_not_lost(
        self, shop: Sender, session: UUID
    ) -> None:
        """The number of events is then what a report that goes on would expect."""
        shop.send(move(session, 0, 0, 0), move(session, 0.2, 60, 0))
        report_of(session)
        call(shop, "DELETE", address(Event.objects.earliest("id")))
        shop.send(move(session, 0.1, 50, 0))
        assert report_of(session).distance_px == 10

    def test_a_large_number_is_in_nobodys_way(self, shop: Sender, session: UUID) -> None:
        """PostgreSQL gives it back as an integer, which no event may have so large."""
        shop.send(event(session, data={"grains": 1e22}))
        answer = call(shop, "PATCH", address(Event.objects.get()), {"name": "other"})
        assert answer.status_code == 200, answer.content
        assert Event.objects.get().data == {"grains": 10**22}

    def test_to_change_nothing_leaves_no_trace(self, shop: Sender, stored: Event) -> None:
        before = Session.objects.get().revision
        assert call(shop, "PATCH", address(stored), {"name": stored.name}).status_code == 200
        assert Session.objects.get().revision == before
        assert not AuditEntry.objects.exists()

    def test_it_is_written_down_without_the_data(self, shop: Sender, stored: Event) -> None:
        call(shop, "PATCH", address(stored), {"data": {"card": "4111111111111111"}})
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target) == ("event.corrected", str(stored.pk))
        assert entry.actor.startswith("shop, key eye_sk_")
        assert "4111" not in json.dumps(entry.details)
        assert entry.address == "127.0.0.1"


class TestDeleting:
    def test_an_event_goes_and_its_report_follows(self, shop: Sender, session: UUID) -> None:
        shop.send(move(session, 0, 0, 0), move(session, 0.1, 30, 0), move(session, 0.2, 60, 0))
        report_of(session)
        answer = call(shop, "DELETE", address(Event.objects.latest("id")))
        assert (answer.status_code, answer.content) == (204, b"")
        kept = Session.objects.get()
        assert kept.event_count == 2
        assert kept.last_at == Event.objects.latest("id").timestamp
        assert report_of(session).distance_px == 30

    def test_a_late_retry_does_not_bring_it_back(
        self, shop: Sender, stored: Event, session: UUID
    ) -> None:
        call(shop, "DELETE", address(stored))
        receipt = shop.send(event(session), event(session, name="other"))
        assert (receipt.stored, receipt.duplicate) == (1, 1)
        assert Event.objects.get().name == "other"

    def test_where_it_was_rejected_at_first_it_goes_as_well(
        self, shop: Sender, session: UUID
    ) -> None:
        give_schema({"properties": {"price": {"type": "number"}}})
        shop.send(sale(session, "mended"), sale(session, "sent again"), sale(session, "other"))
        give_schema({})
        shop.send(sale(session, "sent again"))
        call(shop, "DELETE", address(Event.objects.get()))
        assert Session.objects.get().error_count == 2
        again()
        call(shop, "DELETE", address(Event.objects.get(data__price="mended")))
        assert "other" in RejectedEvent.objects.get().payload
        assert EventError.objects.count() == 1

    def test_what_is_digested_meanwhile_counts_for_its_session(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.send(event(session, timestamp=at(0)), event(session, timestamp=at(1)))
        shop.post(event(session, timestamp=at(9)))
        stored, add = Pause(), store._insert
        place = tombstones.place_for_event
        with ThreadPoolExecutor(1) as other:

            def place_and_digest(id: UUID) -> None:
                place(id)
                other.submit(elsewhere, digest_until_empty)
                assert stored.reached.wait(10)

            monkeypatch.setattr(store, "_insert", stored.after(add))
            monkeypatch.setattr(tombstones, "place_for_event", place_and_digest)
            call(shop, "DELETE", address(Event.objects.earliest("id")))
        kept = Session.objects.get()
        assert (kept.event_count, kept.last_at) == (2, Event.objects.latest("id").timestamp)

    def test_twice_is_not_found(self, shop: Sender, stored: Event) -> None:
        assert call(shop, "DELETE", address(stored)).status_code == 204
        assert call(shop, "DELETE", address(stored)).status_code == 404
        assert AuditEntry.objects.count() == 1

    def test_the_last_event_leaves_an_empty_session(self, shop: Sender, stored: Event) -> None:
        report_of(stored.session_id)
        call(shop, "DELETE", address(stored))
        session = Session.objects.get()
        assert (session.event_count, session.first_at, session.last_at) == (0, None, None)
        assert report_of(session.pk).events == 0


class TestErasing:
    def test_all_that_a_session_left_goes(self, shop: Sender, session: UUID) -> None:
        shop.send(move(session, 0, 0, 0), move(session, 0.1, 30, 0), event(session, data={}))
        report_of(session)
        other = uuid4()
        shop.send(event(other))
        answer = call(shop, "DELETE", f"/api/sessions/{session}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert [row.pk for row in Session.objects.all()] == [other]
        assert Event.objects.count() == 1
        for model in (EventError, RejectedEvent, SessionReport, PointerSecond):
            assert not model.objects.exists(), model
        assert shop.get(f"/api/sessions/{session}").status_code == 404

    def test_what_comes_late_for_it_is_dropped(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session))
        call(shop, "DELETE", f"/api/sessions/{session}")
        receipt = shop.send(event(session), event(session, name="new"), event(session, data={}))
        assert (receipt.stored, receipt.duplicate, receipt.rejected) == (0, 3, 0)
        assert not Event.objects.exists()
        assert not RejectedEvent.objects.exists()
        assert not Session.objects.exists()

    def test_a_batch_that_waits_meanwhile_is_dropped_too(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session))
        waiting = shop.post([event(session, name="waiting")]).json()["receipt"]
        call(shop, "DELETE", f"/api/sessions/{session}")
        digest_until_empty()
        assert Receipt.objects.get(pk=waiting).duplicate == 1
        assert not Event.objects.exists()

    def test_a_key_erases_what_its_own_application_sent(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=at(0)), event(session, data={}))
        stranger.send(event(session, timestamp=at(5)))
        report_of(session)
        assert call(shop, "DELETE", f"/api/sessions/{session}").status_code == 204
        kept = Session.objects.get()
        assert (kept.event_count, kept.error_count) == (1, 0)
        assert kept.first_at == Event.objects.get().timestamp
        assert SessionApplication.objects.get().application_id == stranger.application_id
        assert report_of(session).events == 1
        assert shop.get(f"/api/sessions/{session}").status_code == 404
        assert stranger.send(event(session, name="more")).stored == 1
        assert shop.send(event(session, name="more")).stored == 0

    def test_staff_erase_the_whole_session(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session))
        stranger.send(event(session))
        staff = User.objects.create_user("eraser", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename="delete_session"))
        client = Client()
        client.force_login(staff)
        assert client.delete(f"/api/sessions/{session}").status_code == 204
        assert not Session.objects.exists()
        assert stranger.send(event(session)).stored == 0
        assert AuditEntry.objects.get().actor == "eraser"

    def test_it_is_written_down(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session), event(session, data={}))
        call(shop, "DELETE", f"/api/sessions/{session}")
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target) == ("session.erased", str(session))
        assert (entry.details["events"], entry.details["rejected"]) == (1, 1)

    def test_beside_a_correction(
        self, shop: Sender, stored: Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touching, touch = Pause(), corrections._touch
        monkeypatch.setattr(corrections, "_touch", touching.before(touch))
        with ThreadPoolExecutor(1) as other:
            change = {"name": "other"}
            corrected = other.submit(elsewhere, corrections.correct, stored.pk, change, SOMEBODY)
            assert touching.reached.wait(10)
            assert call(shop, "DELETE", f"/api/sessions/{stored.session_id}").status_code == 204
            assert corrected.result().name == "other"
        assert not Event.objects.exists()

    def test_beside_reprocessing(
        self, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give_schema({"properties": {"price": {"type": "number"}}})
        shop.send(sale(session, "1"), event(session))
        give_schema({})
        resolving, resolve = Pause(), reprocess._resolve
        place = tombstones.place_for_session
        with ThreadPoolExecutor(1) as other:

            def place_and_reprocess(*args: Any) -> None:
                place(*args)
                other.submit(elsewhere, again)
                assert resolving.reached.wait(10)

            monkeypatch.setattr(reprocess, "_resolve", resolving.before(resolve))
            monkeypatch.setattr(tombstones, "place_for_session", place_and_reprocess)
            assert call(shop, "DELETE", f"/api/sessions/{session}").status_code == 204
        for model in (Session, Event, EventError, RejectedEvent):
            assert not model._default_manager.exists(), model


class TestWhoMay:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_another_application_finds_nothing(
        self, stranger: Sender, stored: Event, method: str
    ) -> None:
        body = {"category": "a", "name": "b", "data": {"c": 1}}
        assert call(stranger, method, address(stored), body).status_code == 404
        assert Event.objects.get().name == "cta click"

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_a_page_only_writes(self, shop_pages: Sender, stored: Event, method: str) -> None:
        body = {"category": "a", "name": "b", "data": {"c": 1}}
        assert call(shop_pages, method, address(stored), body).status_code == 403
        assert Event.objects.get().name == "cta click"

    def test_staff_need_the_permission(self, stored: Event) -> None:
        staff = User.objects.create_user("reader", is_staff=True)
        staff.user_permissions.set(Permission.objects.filter(codename="view_event"))
        client = Client()
        client.force_login(staff)
        assert client.get(address(stored)).status_code == 200
        for method in ("put", "patch", "delete"):
            assert getattr(client, method)(address(stored)).status_code == 403
        assert client.delete(f"/api/sessions/{stored.session_id}").status_code == 403

    def test_staff_need_a_csrf_token(self, stored: Event) -> None:
        User.objects.create_superuser("owner", password="owner of the eye")
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.get())
        assert client.delete(address(stored)).status_code == 403
        assert Event.objects.exists()


def test_no_tombstone_is_placed_while_a_digest_stores(shop: Sender, session: UUID) -> None:
    """Or it could look before the tombstone is there, and store after the deletion."""
    with transaction.atomic():
        locks.before_storing()
        with ThreadPoolExecutor(1) as other, pytest.raises(OperationalError):
            other.submit(elsewhere, tombstones.place_for_event, session).result()
    tombstones.place_for_event(session)
    assert DeletedEvent.objects.filter(pk=session).exists()
