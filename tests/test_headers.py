"""What every kind of page tells the browser that shows it to let it do."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.cast import Sender

pytestmark = pytest.mark.django_db(transaction=True)

STRICT = ("/", "/docs/errors", "/api/events", "/healthz", "/readyz", "/metrics", "/nowhere")
READERS = ("/api/docs", "/api/redoc", "/swagger", "/redoc")
ADMIN = (
    "/admin/",
    "/admin/login/",
    "/admin/nowhere/",
    "/admin/tracking/session/",
    "/admin/tracking/apikey/add/",
    "/admin/reports/sessionreport/export/",
    "/admin/dashboard.json",
    "/admin/password_change/",
    "/admin/?x=%00",
)


def policy(response: Any) -> dict[str, set[str]]:
    parts = response["Content-Security-Policy"].split(";")
    return {name: set(sources) for name, *sources in map(str.split, parts)}


@pytest.fixture
def owner(transactional_db: None) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("owner"))
    return client


@pytest.mark.parametrize("path", [*STRICT, *READERS, *ADMIN])
def test_no_page_is_guessed_at_or_tells_where_one_came_from(owner: Client, path: str) -> None:
    for client in (owner, Client(raise_request_exception=False)):
        response = client.get(path)
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response["X-Frame-Options"] in {"DENY", "SAMEORIGIN"}


@pytest.mark.parametrize("path", STRICT)
def test_outside_the_admin_nothing_runs_but_the_own_files(owner: Client, path: str) -> None:
    told = policy(owner.get(path))
    assert told["default-src"] == told["base-uri"] == told["frame-ancestors"] == {"'none'"}
    assert told["script-src"] == told["style-src"] == told["connect-src"] == {"'self'"}
    assert owner.get(path)["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", READERS)
def test_the_readers_of_the_api_s_description_may_style_themselves(
    owner: Client, path: str
) -> None:
    told = policy(owner.get(path))
    assert told["script-src"] == {"'self'"}
    assert told["style-src"] == {"'self'", "'unsafe-inline'"}
    assert told["frame-ancestors"] == {"'none'"}


@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_evaluates_and_runs_nothing_that_stands_in_a_page(
    owner: Client, path: str
) -> None:
    told = policy(owner.get(path))
    assert told["script-src"] == {"'self'", "'unsafe-eval'"}
    assert told["default-src"] == told["base-uri"] == {"'none'"}
    assert told["form-action"] == told["connect-src"] == told["frame-ancestors"] == {"'self'"}
    assert told["img-src"] == {"'self'", "data:"}


def test_no_answer_names_another_host(owner: Client, shop: Sender) -> None:
    for path in (*STRICT, *READERS, *ADMIN):
        assert "http" not in owner.get(path)["Content-Security-Policy"]


def test_cookies_are_out_of_the_reach_of_scripts_and_of_other_sites(
    transactional_db: None,
) -> None:
    User.objects.create_superuser("nina", password="owner of the eye")
    client = Client()
    data = {"username": "nina", "password": "owner of the eye"}
    cookies = client.post("/admin/login/", data).cookies
    for name in ("sessionid", "eye_browser"):
        assert cookies[name]["httponly"], name
        assert cookies[name]["samesite"] == "Lax"
