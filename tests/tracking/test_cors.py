from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils.timezone import now

from tests.cast import Sender, event
from tracking import cors
from tracking.models import ApiKey

SHOP = "https://shop.example"


def preflight(origin: str, path: str = "/api/events") -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-eye-key",
    }
    return Client().options(path, headers=headers)


@pytest.mark.parametrize("path", ["/api/events", "/api/events/", "/events", "/events/"])
def test_a_page_of_the_shop_may_ask(shop_pages: Sender, path: str) -> None:
    answer = preflight(SHOP, path)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "x-eye-key" in answer["Access-Control-Allow-Headers"]
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize(
    "origin", ["https://shop.example.evil.com", "http://shop.example", "null", "", "*"]
)
def test_no_other_page_may(shop_pages: Sender, origin: str) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(origin)


def test_no_page_may_read(shop_pages: Sender, session: UUID) -> None:
    path = f"/api/sessions/{session}"
    assert "Access-Control-Allow-Origin" not in preflight(SHOP, path)


def test_a_revoked_keys_origin_is_forgotten(shop_pages: Sender) -> None:
    ApiKey.objects.update(revoked_at=now())
    cors.forget()
    assert "Access-Control-Allow-Origin" not in preflight(SHOP)


def test_a_page_can_read_its_answers_also_the_refusals(shop_pages: Sender, session: UUID) -> None:
    for body, status in ((event(session), 202), ([], 400)):
        answer = shop_pages.post(body, headers={"Origin": SHOP})
        assert answer.status_code == status
        assert answer["Access-Control-Allow-Origin"] == SHOP
        assert "Retry-After" in answer["Access-Control-Expose-Headers"]
