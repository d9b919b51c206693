"""Every route answers every error in one shape, whatever is sent to it."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.cast import Sender
from tracking.api.errors import CODES

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "NONSENSE")
SENT = (
    (b"", "application/json"),
    (b"[", "application/json"),
    (b"\xff\x00", "text/html"),
    (b"a=1", "application/x-www-form-urlencoded"),
)


def paths(patterns: list[URLPattern | URLResolver], id: UUID) -> Iterator[str]:
    """The path of every route outside the admin."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from paths(pattern.url_patterns, id)
        else:
            route = str(pattern.pattern).replace("<id:id>", str(id)).replace("<number:id>", "1")
            yield "/" + route.strip("^$").replace("/?", "")


ROUTES = sorted(set(paths(get_resolver().url_patterns, UUID(int=1))))


@pytest.mark.parametrize("route", [*ROUTES, "/nowhere", "/api/nowhere/", "/static/nowhere.js"])
def test_every_error_has_the_one_shape(shop: Sender, route: str) -> None:
    shop_headers = {"Authorization": f"Bearer {shop.key}"}
    for method in METHODS:
        for body, media_type in SENT if method == "POST" else SENT[:1]:
            for headers in ({}, shop_headers):
                client = Client(enforce_csrf_checks=True, raise_request_exception=False)
                response = client.generic(method, route, body, media_type, headers=headers)
                assert response.status_code not in {500, 301, 302, 308}, (method, body)
                if response.status_code >= 400 and method != "HEAD":
                    assert response["Content-Type"] == "application/json", (method, body)
                    answer = response.json()
                    assert set(answer) - {"errors"} == {"error", "request_id"}
                    assert CODES[answer["error"]["code"]][0] == response.status_code
                    assert answer["error"]["message"]


@pytest.mark.parametrize("route", ["/", "/healthz", "/readyz", "/docs/errors", "/api/docs"])
def test_what_is_only_read_takes_no_other_method(transactional_db: None, route: str) -> None:
    client = Client(enforce_csrf_checks=True)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert client.generic(method, route).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "NONSENSE"):
        response = client.generic(method, route)
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert response.json()["error"]["code"] == "method_not_allowed"


def test_the_routes_are_there() -> None:
    assert {"/", "/api/events", "/events/", "/readyz"} <= set(ROUTES)
    assert len(ROUTES) > 30


def test_a_name_that_is_not_ours_is_a_json_error(shop: Sender) -> None:
    response = Client().get("/api/events", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"


def test_the_admin_answers_people(transactional_db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    response = client.get("/admin/nowhere/")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(transactional_db: None, code: str) -> None:
    assert f'id="{code}"' in Client().get("/docs/errors").content.decode()
