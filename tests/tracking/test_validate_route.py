"""POST /events/validate: what a digest would say, said at once."""

import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from tests.cast import Sender, event
from tests.tracking.test_cors import SHOP, preflight
from tests.tracking.test_event_types import FORM, make, order
from tracking.models import Application, Batch, Event, EventError, Receipt

PATH = "/api/events/validate"


def check(sender: Sender, body: Any, **more: Any) -> Any:
    response = sender.post(body, PATH, **more)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.parametrize("spelling", [PATH, PATH + "/", "/events/validate", "/events/validate/"])
def test_each_event_is_told_whether_it_is_valid(shop: Sender, session: UUID, spelling: str) -> None:
    make(FORM)
    response = shop.post([event(session), order(session, form=5, host="x")], spelling)
    assert response.status_code == 200
    answer = response.json()
    first, second = answer.pop("results")
    assert answer == {"events": 2, "valid": 1, "invalid": 1}
    assert UUID(first.pop("id"))
    assert first == {"position": 0, "valid": True, "errors": []}
    assert second == {
        "position": 1,
        "valid": False,
        "id": None,
        "errors": [
            {
                "field": "data.form",
                "code": "wrong_type",
                "message": "This must be an object.",
                "value": "5",
            }
        ],
    }


def test_a_single_event_is_taken_too(shop: Sender, session: UUID) -> None:
    assert check(shop, event(session))["valid"] == 1


def test_nothing_is_stored(shop: Sender, session: UUID) -> None:
    check(shop, [event(session), event(session, data={})])
    for model in (Batch, Receipt, Event, EventError):
        assert not model._default_manager.exists()


def test_the_id_is_the_one_the_event_will_have(shop: Sender, session: UUID) -> None:
    id = check(shop, event(session))["results"][0]["id"]
    shop.send(event(session))
    assert str(Event.objects.get().pk) == id


def test_the_errors_are_the_ones_a_receipt_will_have(shop: Sender, session: UUID) -> None:
    make(FORM)
    sent = [
        order(session, form={"age": 3}, host="jane@mail.example"),
        event(session, timestamp="soon", category="", id="x" * 200),
        event(session, data={"a\0": "\ud800", "k" * 300: "\0"}),
        5,
    ]
    told = [
        {"position": result["position"], **error}
        for result in check(shop, sent)["results"]
        for error in result["errors"]
    ]
    receipt = shop.send(*sent)
    errors = shop.get(f"/api/receipts/{receipt.pk}").json()["errors"]
    assert errors == [error | {"resolved_at": None} for error in told]


def test_an_applications_own_types_count(shop: Sender, stranger: Sender, session: UUID) -> None:
    make(FORM, application=shop.application_id)
    assert check(shop, order(session, form=5))["invalid"] == 1
    assert check(stranger, order(session, form=5))["valid"] == 1


def test_a_page_may_ask(shop_pages: Sender, session: UUID) -> None:
    assert preflight(SHOP, PATH)["Access-Control-Allow-Origin"] == SHOP
    answer = shop_pages.post(event(session), PATH, headers={"Origin": SHOP})
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Origin" not in preflight("https://evil.example", PATH)


def test_a_body_may_be_gzipped(shop: Sender, session: UUID) -> None:
    body = gzip.compress(json.dumps([event(session)]).encode())
    assert check(shop, body, headers={"Content-Encoding": "gzip"})["valid"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"[]", 400, "empty_body"),
        (b"[", 400, "malformed_json"),
        (b"5", 400, "not_events"),
        (b"[" * 40 + b"]" * 40, 400, "too_deep"),
        (b"[" + b"{}," * 1_000 + b"{}]", 413, "too_many_events"),
        (b'{"a": "' + b"x" * 70_000 + b'"}', 413, "event_too_large"),
        (b" " * (5 * 1024 * 1024) + b"{}", 413, "too_large"),
    ],
)
def test_what_cannot_be_sent_cannot_be_tried(
    shop: Sender, body: bytes, status: int, code: str
) -> None:
    response = shop.post(body, PATH)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_it_needs_a_key(transactional_db: None, session: UUID) -> None:
    body = json.dumps(event(session))
    assert Client().post(PATH, body, content_type="application/json").status_code == 401


def test_it_takes_posts_only(shop: Sender) -> None:
    response = shop.get(PATH)
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")


def test_it_counts_towards_the_keys_events(shop: Sender, session: UUID) -> None:
    Application.objects.filter(pk=shop.application_id).update(secret_events_per_minute=2)
    assert shop.post([event(session)] * 3, PATH).status_code == 429
