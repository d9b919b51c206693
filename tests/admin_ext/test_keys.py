"""API keys: made in the admin, shown once, revoked."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as BrowserSession
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from tests.cast import Sender, event
from tracking import keys
from tracking.models import ApiKey, Application

ADD = reverse("admin:tracking_apikey_add")
LIST = reverse("admin:tracking_apikey_changelist")


def add(client: Client, **fields: Any) -> Any:
    shop, _ = Application.objects.get_or_create(name="shop")
    return client.post(ADD, {"application": shop.pk, "kind": "secret", **fields})


def test_a_new_key_is_shown_once_and_works(owner: Client) -> None:
    response = add(owner)
    shown = response.context["key"].key
    assert response.status_code == 200
    assert shown in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    caller = keys.authenticate(shown)
    assert caller is not None
    assert caller.key_id == ApiKey.objects.get().pk


def test_a_key_is_kept_nowhere(owner: Client) -> None:
    response = add(owner)
    key = response.context["key"].key
    record = ApiKey.objects.get()
    assert bytes(record.sha256) == keys._sha256(key)
    for address in (LIST, reverse("admin:tracking_apikey_change", args=[record.pk])):
        page = owner.get(address).content.decode()
        assert key not in page
        assert f"{key[:12]}…{key[-4:]}" in page
    assert key not in str(list(LogEntry.objects.values()))
    assert key not in str([session.get_decoded() for session in BrowserSession.objects.all()])
    assert key not in str(response.cookies)


def test_the_application_and_the_kind_of_a_key_stay(owner: Client) -> None:
    add(owner)
    record = ApiKey.objects.get()
    another = Application.objects.create(name="another")
    owner.post(
        reverse("admin:tracking_apikey_change", args=[record.pk]),
        {"application": another.pk, "kind": "publishable", "origins": [""], "expires_at_0": ""},
    )
    record.refresh_from_db()
    assert (record.application.name, record.kind) == ("shop", "secret")


def test_an_origin_is_kept_as_browsers_send_it(owner: Client) -> None:
    written = {
        "https://shop.example": "https://shop.example",
        " https://Shop.example/ ": "https://shop.example",
        "https://shop.example:443": "https://shop.example",
        "http://localhost:8000": "http://localhost:8000",
        "http://[::1]:8000": "http://[::1]:8000",
    }
    add(owner, kind="publishable", origins=list(written))
    assert ApiKey.objects.get().origins == list(written.values())


NO_ORIGINS = (
    "shop.example",
    "https://shop.example/path",
    "https://shop.example?x",
    "https://user@shop.example",
    "https://shop.example:port",
    "https://shop.example:70000",
    "https://bücher.example",
    "ftp://shop.example",
    "https://",
    "null",
    "*",
    "https://[half",
)


def test_what_is_no_origin_makes_no_key(owner: Client) -> None:
    for origin in NO_ORIGINS:
        response = add(owner, kind="publishable", origins=["https://ok.example", origin])
        assert response.status_code == 200
        assert response.context["adminform"].form.errors["origins"], origin
    assert not ApiKey.objects.exists()


def test_a_secret_key_has_no_origins(owner: Client) -> None:
    response = add(owner, origins=["https://ok.example"])
    assert "A secret key has no origins" in response.content.decode()
    assert not ApiKey.objects.exists()


def test_a_revoked_key_is_refused_at_once(owner: Client, shop: Sender) -> None:
    assert shop.post(event("6f9619ff-8b86-4011-b42d-00c04fc964ff")).status_code == 202
    record = ApiKey.objects.get()
    response = owner.post(
        reverse("admin:tracking_apikey_revoke_one", args=[record.pk]), {"_form_submitted": "on"}
    )
    assert response["HX-Redirect"] == LIST
    assert shop.post(event("6f9619ff-8b86-4011-b42d-00c04fc964ff")).status_code == 401


def test_selected_keys_are_revoked_after_a_question(owner: Client, shop: Sender) -> None:
    record = ApiKey.objects.get()
    selection = {"action": "revoke_selected", "_selected_action": [record.pk]}
    question = owner.post(LIST, selection)
    assert b"Revoke 1 key?" in question.content
    assert ApiKey.objects.filter(revoked_at=None).exists()
    owner.post(LIST, {**selection, "confirmed": "1"})
    first = ApiKey.objects.get().revoked_at
    assert first is not None
    owner.post(LIST, {**selection, "confirmed": "1"})
    assert ApiKey.objects.get().revoked_at == first


def test_neither_a_key_nor_its_application_is_deleted(owner: Client, shop: Sender) -> None:
    record = ApiKey.objects.get()
    for address in (
        reverse("admin:tracking_apikey_delete", args=[record.pk]),
        reverse("admin:tracking_application_delete", args=[record.application_id]),
    ):
        assert owner.post(address, {"post": "yes"}).status_code == 403
    assert ApiKey.objects.exists()


def test_who_may_only_see_cannot_revoke(analyst: Client, shop: Sender) -> None:
    record = ApiKey.objects.get()
    address = reverse("admin:tracking_apikey_revoke_one", args=[record.pk])
    assert analyst.post(address, {"_form_submitted": "on"}).status_code == 403
    analyst.post(
        LIST,
        {"action": "revoke_selected", "_selected_action": [record.pk], "confirmed": "1"},
    )
    record.refresh_from_db()
    assert record.revoked_at is None


@pytest.mark.parametrize(
    ("fields", "state"),
    [({}, "live"), ({"revoked_at": now()}, "revoked"), ({"expires_at": now()}, "expired")],
)
def test_the_list_says_which_keys_are_live(
    owner: Client, shop: Sender, fields: dict[str, Any], state: str
) -> None:
    ApiKey.objects.update(**fields)
    assert f">{state}</span>" in owner.get(LIST).content.decode()
