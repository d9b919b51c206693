"""API keys: made in the admin, shown once, revoked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from tests.admin_ext.cast import staff
from tests.cast import Sender, elsewhere, event, somebody_waits
from tests.waiting import until
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


def rotate_page(record: ApiKey) -> str:
    return reverse("admin:tracking_apikey_rotate", args=[record.pk])


def kept_nowhere(client: Client, key: str, response: Any) -> None:
    """Neither on a page that can be opened again, nor in the log, the session or a cookie."""
    for record in ApiKey.objects.all():
        change = reverse("admin:tracking_apikey_change", args=[record.pk])
        history = reverse("admin:tracking_apikey_history", args=[record.pk])
        for address in (LIST, change, history, rotate_page(record)):
            assert key not in client.get(address).content.decode()
    assert key not in str(list(LogEntry.objects.values()))
    assert key not in str([session.get_decoded() for session in BrowserSession.objects.all()])
    assert key not in str(response.cookies) + str(response.headers)


class TestRotate:
    def test_it_asks_before_it_does_anything(self, owner: Client, shop: Sender) -> None:
        record = ApiKey.objects.get()
        page = owner.get(rotate_page(record)).content.decode()
        assert f"Rotate {record}" in page
        for choice in ("ends now", "1 hour", "24 hours", "7 days"):
            assert choice in page
        assert ApiKey.objects.get().expires_at is None

    def test_the_key_page_leads_to_it(self, owner: Client, shop: Sender) -> None:
        record = ApiKey.objects.get()
        page = owner.get(reverse("admin:tracking_apikey_change", args=[record.pk])).content.decode()
        assert rotate_page(record) in page

    @pytest.mark.parametrize("hours", [0, 1, 24, 168])
    def test_it_shows_the_new_key_once_and_lets_the_old_one_end(
        self, owner: Client, shop: Sender, hours: int
    ) -> None:
        old, before = ApiKey.objects.get(), now()
        response = owner.post(rotate_page(old), {"keep": str(hours)})
        new = response.context["key"]
        assert response.status_code == 200
        assert new.key in response.content.decode()
        assert "no-store" in response["Cache-Control"]
        assert keys.authenticate(new.key) is not None
        old.refresh_from_db()
        assert old.expires_at is not None
        assert (
            timedelta(0) <= old.expires_at - before - timedelta(hours=hours) < timedelta(minutes=1)
        )
        assert (keys.authenticate(shop.key) is not None) == (hours > 0)
        assert str(old) in response.content.decode()
        kept_nowhere(owner, new.key, response)

    def test_both_keys_histories_say_so(self, owner: Client, shop: Sender) -> None:
        old = ApiKey.objects.get()
        new = owner.post(rotate_page(old), {"keep": "24"}).context["key"].record
        said = dict(LogEntry.objects.values_list("object_id", "change_message"))
        assert said == {
            str(old.pk): f"Rotated; the new key is {new}.",
            str(new.pk): f"In place of {old}.",
        }

    @pytest.mark.parametrize("keep", ["", "2", "-1", "x"])
    def test_other_times_are_not_taken(self, owner: Client, shop: Sender, keep: str) -> None:
        response = owner.post(rotate_page(ApiKey.objects.get()), {"keep": keep})
        assert response.context["form"].errors["keep"]
        assert ApiKey.objects.count() == 1

    def test_who_may_make_no_key_rotates_none(self, shop: Sender) -> None:
        revoker = staff("revoker", "view_apikey", "change_apikey")
        record = ApiKey.objects.get()
        assert revoker.post(rotate_page(record), {"keep": "24"}).status_code == 403
        page = reverse("admin:tracking_apikey_change", args=[record.pk])
        assert rotate_page(record) not in revoker.get(page).content.decode()
        assert ApiKey.objects.count() == 1

    def test_a_key_that_has_ended_is_not_rotated(self, owner: Client, shop: Sender) -> None:
        ApiKey.objects.update(revoked_at=now())
        response = owner.post(rotate_page(ApiKey.objects.get()), {"keep": "24"}, follow=True)
        assert "no longer live" in response.content.decode()
        assert ApiKey.objects.count() == 1

    def test_who_may_only_see_cannot(self, analyst: Client, shop: Sender) -> None:
        record = ApiKey.objects.get()
        assert analyst.get(rotate_page(record)).status_code == 403
        assert analyst.post(rotate_page(record), {"keep": "24"}).status_code == 403
        assert ApiKey.objects.get().expires_at is None

    def test_another_site_cannot_have_it_done(self, owner: Client, shop: Sender) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.get(username="owner"))
        record = ApiKey.objects.get()
        assert client.post(rotate_page(record), {"keep": "0"}).status_code == 403
        assert ApiKey.objects.get().expires_at is None

    @pytest.mark.parametrize("id", ["0", "x", "1'--"])
    def test_there_is_no_such_key(self, owner: Client, id: str) -> None:
        address = reverse("admin:tracking_apikey_rotate", args=[id])
        assert owner.post(address, {"keep": "24"}).status_code == 404


def test_the_list_says_when_a_key_was_last_used(owner: Client, shop: Sender) -> None:
    assert "last used" in owner.get(LIST).content.decode().lower()
    shop.post(event("6f9619ff-8b86-4011-b42d-00c04fc964ff"))
    used = ApiKey.objects.get().last_used_at
    assert used is not None
    assert used.strftime("%Y-%m-%d %H:%M:%S") in owner.get(LIST).content.decode()


def test_the_limits_of_an_application_can_be_set(owner: Client, shop: Sender) -> None:
    address = reverse("admin:tracking_application_change", args=[shop.application_id])
    fields = {"secret_events_per_minute": 5, "publishable_events_per_minute": 0}
    assert (
        "greater than or equal to 1"
        in owner.post(address, {"name": "shop", **fields}).content.decode()
    )
    owner.post(address, {"name": "shop", **fields, "publishable_events_per_minute": 3})
    application = Application.objects.get()
    assert application.secret_events_per_minute == 5
    assert application.publishable_events_per_minute == 3


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
    assert response["HX-Redirect"] == reverse("admin:tracking_apikey_change", args=[record.pk])
    assert shop.post(event("6f9619ff-8b86-4011-b42d-00c04fc964ff")).status_code == 401


def test_a_key_that_is_revoked_while_another_saves_it_stays_revoked(
    owner: Client, shop: Sender
) -> None:
    key = ApiKey.objects.get()
    address = reverse("admin:tracking_apikey_change", args=[key.pk])
    fields = {"expires_at_0": "2099-01-01", "expires_at_1": "00:00"}
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).update(revoked_at=now())
            saving = threads.submit(elsewhere, owner.post, address, fields)
            until(somebody_waits)  # the form was read before this is committed
        assert saving.result().status_code == 302
    key.refresh_from_db()
    assert key.expires_at is not None
    assert key.revoked_at is not None


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
