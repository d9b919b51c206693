import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from tests.cast import START, Sender, at, event
from tracking import keys
from tracking.models import ApiKey, Batch


def refused(response: Any, status: int, code: str) -> None:
    """The refusal has the one shape of all errors, and nothing was kept."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "field", "docs"}
    assert body["error"]["code"] == code
    assert body["error"]["docs"] == f"/docs/errors#{code}"
    assert body["request_id"] == response["X-Request-ID"]
    assert not Batch.objects.exists()


@pytest.mark.parametrize("path", ["/api/events", "/api/events/", "/events", "/events/"])
def test_it_keeps_the_body_as_it_came(shop: Sender, session: UUID, path: str) -> None:
    body = json.dumps([event(session), event(session)], indent=1)
    response = shop.post(body, path)
    assert response.status_code == 202
    batch = Batch.objects.get()
    assert response.json() == {"receipt": str(batch.receipt), "accepted": 2}
    assert (bytes(batch.body), batch.n_events) == (body.encode(), 2)
    assert batch.application_id == shop.application_id


def test_a_single_event_is_a_batch_of_one(shop: Sender, session: UUID) -> None:
    assert shop.post(event(session)).json()["accepted"] == 1


def test_a_gzip_body_is_kept_packed(shop: Sender, session: UUID) -> None:
    packed = gzip.compress(json.dumps(event(session)).encode())
    assert shop.post(packed, headers={"Content-Encoding": "gzip"}).status_code == 202
    batch = Batch.objects.get()
    assert (bytes(batch.body), batch.encoding) == (packed, "gzip")


def test_the_senders_clock_is_noted(shop: Sender, session: UUID) -> None:
    shop.post(event(session), f"/api/events?sent_at={at(0)}".replace("+", "%2B"))
    assert Batch.objects.get().sent_at == START


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31T23:59:59-15:00",
        "0001-01-01T00:00:00%2B15:00",
        "2026-01-01T00:00:00%2B23:59",
        "1999-01-01T00:00:00Z",
        "yesterday",
        "%00",
        "",
    ],
)
def test_a_clock_nobody_can_mean_is_not_noted(shop: Sender, session: UUID, moment: str) -> None:
    assert shop.post(event(session), f"/api/events?sent_at={moment}").status_code == 202
    assert Batch.objects.get().sent_at in {None, datetime.fromisoformat("2025-12-31T00:01Z")}


def test_accepting_is_one_query_once_the_key_is_known(
    shop: Sender, session: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shop.post(event(session))
    with django_assert_num_queries(1):
        shop.post(event(session))


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "nonsense"])
def test_the_accept_header_is_ignored(shop: Sender, session: UUID, accept: str) -> None:
    assert shop.post(event(session), headers={"Accept": accept}).status_code == 202


class TestKeys:
    @pytest.mark.parametrize("header", ["Bearer {}", "Token {}", "bearer {}"])
    def test_the_key_may_be_a_bearer_or_a_token(
        self, shop: Sender, session: UUID, header: str
    ) -> None:
        response = shop.post(event(session), headers={"Authorization": header.format(shop.key)})
        assert response.status_code == 202

    @pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer eye_sk_wrong", "Basic abc"])
    def test_no_key_and_a_wrong_one_get_the_same_answer(
        self, shop: Sender, session: UUID, authorization: str
    ) -> None:
        response = shop.post(event(session), headers={"Authorization": authorization})
        refused(response, 401, "unauthorized")
        assert response["WWW-Authenticate"] == "Bearer"

    def test_a_revoked_key_is_unknown(self, shop: Sender, session: UUID) -> None:
        ApiKey.objects.update(revoked_at=now())
        refused(shop.post(event(session)), 401, "unauthorized")

    def test_an_expired_key_is_unknown_even_if_remembered(
        self, shop: Sender, session: UUID
    ) -> None:
        ApiKey.objects.update(expires_at=now() + timedelta(seconds=0.3))
        assert shop.post(event(session)).status_code == 202
        Batch.objects.all().delete()
        ApiKey.objects.update(expires_at=now())
        keys.forget()
        refused(shop.post(event(session)), 401, "unauthorized")

    def test_a_key_is_kept_only_as_a_hash(self, shop: Sender) -> None:
        record = ApiKey.objects.get()
        assert shop.key.encode() not in b"".join(
            str(value).encode() for value in record.__dict__.values()
        )
        assert (record.prefix, record.last_four) == (shop.key[:12], shop.key[-4:])
        assert len(bytes(record.sha256)) == 32

    def test_a_page_sends_its_key_in_a_header_or_the_address(
        self, shop_pages: Sender, session: UUID
    ) -> None:
        body = json.dumps(event(session))
        header = Client().post(
            "/api/events", body, "application/json", headers={"X-Eye-Key": shop_pages.key}
        )
        beacon = Client().post(f"/api/events?key={shop_pages.key}", body, "text/plain")
        assert (header.status_code, beacon.status_code) == (202, 202)

    def test_a_secret_key_is_not_taken_from_the_address(self, shop: Sender, session: UUID) -> None:
        body = json.dumps(event(session))
        response = Client().post(f"/api/events?key={shop.key}", body, "application/json")
        refused(response, 401, "unauthorized")

    @pytest.mark.parametrize("origin", ["https://shop.example", "http://testserver"])
    def test_a_page_may_send_from_its_origins_and_from_ours(
        self, shop_pages: Sender, session: UUID, origin: str
    ) -> None:
        assert shop_pages.post(event(session), headers={"Origin": origin}).status_code == 202

    @pytest.mark.parametrize(
        "origin",
        [
            "https://shop.example.evil.com",
            "https://shop.example:8443",
            "http://shop.example",
            "https://evil.com",
            "null",
        ],
    )
    def test_a_page_of_another_origin_is_refused(
        self, shop_pages: Sender, session: UUID, origin: str
    ) -> None:
        response = shop_pages.post(event(session), headers={"Origin": origin})
        refused(response, 403, "wrong_origin")

    def test_a_secret_key_in_a_browser_is_refused(self, shop: Sender, session: UUID) -> None:
        response = shop.post(event(session), headers={"Origin": "http://testserver"})
        refused(response, 403, "secret_key_in_browser")


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "empty_body"),
            (b"[]", "empty_body"),
            (b"{}", "empty_body"),
            (b"5", "not_events"),
            (b"{", "malformed_json"),
            (b'{"a": NaN}', "malformed_json"),
        ],
    )
    def test_a_body_without_events_is_refused(self, shop: Sender, body: bytes, code: str) -> None:
        refused(shop.post(body), 400, code)

    def test_too_many_events_are_refused(self, shop: Sender, session: UUID) -> None:
        refused(shop.post([event(session)] * 1_001), 413, "too_many_events")

    def test_a_page_may_send_less_than_a_server(
        self, shop: Sender, shop_pages: Sender, session: UUID
    ) -> None:
        large = [event(session, data={"x": "y" * 60_000})] * 20
        refused(shop_pages.post(large), 413, "too_large")
        assert shop.post(large).status_code == 202

    def test_the_limit_is_measured_unpacked(self, shop: Sender, session: UUID) -> None:
        body = gzip.compress(json.dumps([event(session, data={"x": "y" * 60_000})] * 90).encode())
        refused(shop.post(body, headers={"Content-Encoding": "gzip"}), 413, "too_large")

    def test_a_body_that_is_no_gzip_is_refused(self, shop: Sender) -> None:
        refused(shop.post(b"xx", headers={"Content-Encoding": "gzip"}), 400, "bad_encoding")

    @pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
    def test_other_encodings_are_refused(self, shop: Sender, encoding: str) -> None:
        response = shop.post(b"{}", headers={"Content-Encoding": encoding})
        refused(response, 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "media_type",
        ["text/plain", "application/xml", "application/json; charset=utf-7", "multipart/x"],
    )
    def test_other_media_types_are_refused(
        self, shop: Sender, session: UUID, media_type: str
    ) -> None:
        response = shop.post(event(session), content_type=media_type)
        refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(shop: Sender, method: str) -> None:
    headers = {"Authorization": f"Bearer {shop.key}"}
    response = Client().generic(method, "/api/events", headers=headers)
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "9" * 30, "0" * 5_000 + "9" * 10])
def test_a_length_that_is_none_is_refused(shop: Sender, session: UUID, length: str) -> None:
    response = shop.post(event(session), CONTENT_LENGTH=length)
    assert response.status_code in {400, 413}
    assert not Batch.objects.exists()


def test_an_inbox_that_is_locked_makes_nobody_wait_for_long(
    shop: Sender, session: UUID, other_connection: CursorWrapper
) -> None:
    shop.post(event(session))
    Batch.objects.all().delete()
    other_connection.execute("BEGIN; LOCK tracking_batch")
    response = shop.post(event(session))
    other_connection.execute("ROLLBACK")
    refused(response, 503, "unavailable")
    assert response["Retry-After"]


def test_a_database_that_only_reads_takes_nothing_for_now(shop: Sender, session: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        response = shop.post(event(session))
        cursor.execute("SET default_transaction_read_only = off")
    refused(response, 503, "unavailable")


@pytest.fixture
def other_connection(transactional_db: None) -> Iterator[CursorWrapper]:
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        yield cursor
    other.close()
