"""Trying rejected events again after their schema was mended."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from time import sleep
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from reports import builder
from reports.models import SessionReport
from tests.cast import Sender, elsewhere, event
from tracking import event_types
from tracking import reprocess as reprocessing
from tracking.audit import Actor
from tracking.digest import digest_until_empty
from tracking.models import (
    AuditEntry,
    Event,
    EventError,
    EventType,
    Receipt,
    RejectedEvent,
    SchemaVersion,
    Session,
)
from tracking.reprocess import Totals, reprocess

SOMEBODY = Actor("somebody")
NUMBER = {"type": "object", "properties": {"price": {"type": "number"}}}
TEXT = {"type": "object", "properties": {"price": {"type": "string"}}}


def give_schema(schema: dict[str, Any], category: str = "shop", name: str = "sale") -> None:
    """As saving it in the admin does."""
    kind, _ = EventType.objects.get_or_create(category=category, name=name)
    SchemaVersion.objects.create(event_type=kind, number=kind.versions.count() + 1, schema=schema)
    event_types.forget()


def sale(session: UUID, price: Any, **more: Any) -> dict[str, Any]:
    return event(session, category="shop", name="sale", data={"price": price}, **more)


def again(**filters: Any) -> Totals:
    return reprocess(filters, SOMEBODY, lambda totals: None)


def counts(receipt: Receipt) -> tuple[int, int, int]:
    receipt.refresh_from_db()
    return receipt.stored, receipt.duplicate, receipt.rejected


def test_what_is_right_now_is_stored(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    receipt = shop.send(sale(session, "12.50"), sale(session, "7.00"), event(session))
    assert counts(receipt) == (1, 0, 2)
    give_schema(TEXT)
    assert again() == Totals(examined=2, stored=2)
    assert counts(receipt) == (3, 0, 0)
    assert Event.objects.count() == 3
    assert not EventError.objects.filter(resolved_at=None).exists()
    assert not RejectedEvent.objects.filter(resolved_at=None).exists()


def test_the_session_and_its_report_follow(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "12.50"), event(session))
    builder.build_stale()
    assert SessionReport.objects.get().errors == 1
    give_schema(TEXT)
    again()
    kept = Session.objects.get()
    assert (kept.event_count, kept.error_count, kept.stale) == (2, 0, True)
    builder.build_stale()
    assert (SessionReport.objects.get().events, SessionReport.objects.get().errors) == (2, 0)


def test_what_is_still_wrong_stays(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    receipt = shop.send(sale(session, "12.50"), sale(session, [1]), event(session, data={}))
    give_schema(TEXT)
    assert again() == Totals(examined=3, stored=1, still_rejected=2)
    assert counts(receipt) == (1, 0, 2)
    assert EventError.objects.filter(resolved_at=None).count() == 2


def test_twice_is_as_good_as_once(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    receipt = shop.send(sale(session, "12.50"))
    give_schema(TEXT)
    again()
    assert again() == Totals()
    assert counts(receipt) == (1, 0, 0)
    assert Session.objects.get().error_count == 0


def test_rejected_in_two_receipts_it_is_stored_once(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    first, second = shop.send(sale(session, "1")), shop.send(sale(session, "1"), sale(session, "1"))
    give_schema(TEXT)
    assert again() == Totals(examined=1, stored=1)
    assert sorted([counts(first), counts(second)]) in (
        [(0, 2, 0), (1, 0, 0)],
        [(0, 1, 0), (1, 1, 0)],
    )
    assert Event.objects.count() == 1


def test_sent_again_meanwhile_it_is_a_duplicate(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    receipt = shop.send(sale(session, "1"))
    give_schema(TEXT)
    shop.send(sale(session, "1"))
    assert again() == Totals(examined=1, duplicate=1)
    assert counts(receipt) == (0, 1, 0)


def test_rejected_once_more_it_is_open_once_more(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    give_schema(TEXT)
    again()
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    assert Session.objects.get().error_count == 1
    give_schema(TEXT)
    assert again() == Totals(examined=1, duplicate=1)
    assert Session.objects.get().error_count == 0


def test_many_are_done_slice_by_slice(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    for start in (0, 600):
        shop.send(*(sale(session, str(n)) for n in range(start, start + 600)))
    give_schema(TEXT)
    seen: list[int] = []
    totals = reprocess({}, SOMEBODY, lambda totals: seen.append(totals.examined))
    assert totals == Totals(examined=1_200, stored=1_200)
    assert seen == [500, 1_000, 1_200]


def test_only_the_named_errors_are_tried(shop: Sender, stranger: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    receipt = shop.send(sale(session, "1"))
    shop.send(sale(session, "2"))
    stranger.send(sale(session, "3"))
    give_schema(TEXT)
    assert again(application=stranger.application_id).stored == 1
    assert again(receipt=str(receipt.pk)).stored == 1
    assert again(category="shop", name="other").examined == 0
    assert again(errors=[EventError.objects.get(resolved_at=None).pk]).stored == 1


def test_it_is_written_down(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    give_schema(TEXT)
    again(code="wrong_type")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("somebody", "errors.reprocessed")
    assert entry.details["filters"] == {"code": "wrong_type"}
    assert entry.details["stored"] == 1


def test_what_ends_halfway_is_written_down(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(*(sale(session, str(n)) for n in range(600)))
    give_schema(TEXT)

    def killed(totals: Totals) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reprocess({}, SOMEBODY, killed)
    assert AuditEntry.objects.get().details["stored"] == 500
    assert Event.objects.count() == 500


def test_who_asked_may_be_gone(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    give_schema(TEXT)
    reprocess({}, Actor("gone", user_id=2**31 - 1, key_id=2**31 - 1), lambda totals: None)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.user, entry.key) == ("gone", None, None)
    assert entry.details["stored"] == 1


def test_a_digest_may_wait_for_it_while_it_waits_for_the_digest(
    shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends one of the two, which tries again."""
    low, high = UUID(int=1), UUID(int=2)
    give_schema(NUMBER)
    shop.send(sale(low, "1"), sale(high, "1"))
    give_schema(TEXT)
    shop.send(sale(low, "1"))  # from now on a duplicate: no event brings that session first
    shop.post([event(low), event(high)])
    inserted = threading.Event()
    resolve = reprocessing._resolve

    def slow(*args: Any) -> list[UUID]:
        inserted.set()
        sleep(0.5)
        return resolve(*args)

    monkeypatch.setattr(reprocessing, "_resolve", slow)
    with ThreadPoolExecutor(1) as other, connection.cursor() as cursor:
        digested = other.submit(elsewhere, lambda: inserted.wait(10) and digest_until_empty())
        cursor.execute("SET deadlock_timeout = '100ms'")
        assert again() == Totals(examined=2, stored=1, duplicate=1)
        digested.result()
        cursor.execute("RESET deadlock_timeout")
    assert not list(Session.objects.exclude(event_count=2, error_count=0))


class TestThroughTheApi:
    URL = "/api/errors/reprocess"

    def test_a_key_has_its_own_errors_tried(self, shop: Sender) -> None:
        answer = shop.post({}, self.URL)
        assert answer.status_code == 202
        assert UUID(answer.json()["task"])

    def test_filters_that_come_in_chunks_are_read(self, shop: Sender) -> None:
        chunks = {
            "wsgi.input": BytesIO(b'{"colour": "red"}'),
            "wsgi.input_terminated": True,
            "CONTENT_LENGTH": "",
        }
        answer = shop.post("", self.URL, **chunks)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "colour")

    def test_another_applications_errors_are_not_ones_own(
        self, shop: Sender, stranger: Sender
    ) -> None:
        answer = shop.post({"application": stranger.application_id}, self.URL)
        assert (answer.status_code, answer.json()["error"]["field"]) == (403, "application")
        assert shop.post({"application": shop.application_id}, self.URL).status_code == 202

    @pytest.mark.parametrize(
        ("body", "code", "field"),
        [
            ({"colour": "red"}, "unknown_filter", "colour"),
            ({"receipt": "nonsense"}, "bad_value", "receipt"),
            ({"session_id": 5}, "bad_value", "session_id"),
            ({"errors": "1"}, "bad_value", "errors"),
            ({"errors": [True]}, "bad_value", "errors"),
            ({"code": "a\0b"}, "bad_value", "code"),
            ({"name": None}, "bad_value", "name"),
            ({"application": "shop"}, "bad_value", "application"),
        ],
        ids=lambda value: json.dumps(value),
    )
    def test_what_it_does_not_understand_it_refuses(
        self, shop: Sender, body: Any, code: str, field: str
    ) -> None:
        answer = shop.post(body, self.URL)
        assert answer.status_code == 400
        assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (code, field)

    def test_a_page_may_not(self, shop_pages: Sender) -> None:
        assert shop_pages.post({}, self.URL).status_code == 403

    def test_staff_need_the_permission(self, transactional_db: None) -> None:
        staff = User.objects.create_user("mender", is_staff=True)
        client = Client()
        client.force_login(staff)
        assert client.post(self.URL, {}, content_type="application/json").status_code == 403
        may = Permission.objects.filter(codename="reprocess_eventerror")
        staff.user_permissions.set(may)
        assert client.post(self.URL, {}, content_type="application/json").status_code == 202


def test_an_erased_session_has_nothing_to_try(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    headers = {"Authorization": f"Bearer {shop.key}"}
    assert shop.client.delete(f"/api/sessions/{session}", headers=headers).status_code == 204
    give_schema(TEXT)
    assert again() == Totals()
