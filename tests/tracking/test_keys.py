import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.utils.timezone import now

from tests.cast import Sender, event
from tests.processes import Process, run_web
from tests.waiting import until
from tracking import cors, keys
from tracking.keys import (
    CannotRotate,
    NewKey,
    NotAnOrigin,
    authenticate,
    capture_key,
    clean_origin,
    create_key,
    rotate,
)
from tracking.models import ApiKey, Application

SHOP = "https://shop.example"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        (" https://shop.example ", "https://shop.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text: str, origin: str) -> None:
    assert clean_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "https://",
        "ftp://shop.example",
        "https://shop.example/cart",
        "https://shop.example?a=b",
        "https://me:secret@shop.example",
        "https://shop.example:port",
        "https://[half",
        "*",
    ],
)
def test_what_is_no_origin_is_refused_with_advice(text: str) -> None:
    with pytest.raises(NotAnOrigin, match=r"https://shop\.example"):
        clean_origin(text)


@pytest.mark.django_db(transaction=True)
class TestCreateKey:
    def command(self, *arguments: str) -> str:
        output = StringIO()
        call_command("create_key", *arguments, stdout=output)
        return output.getvalue()

    def test_it_makes_the_application_and_prints_a_key_that_works(self) -> None:
        origins = ["--origin", "https://shop.example/", "--origin", "http://localhost:3000"]
        answer = json.loads(self.command("shop", "--kind", "publishable", *origins, "--json"))
        assert (answer["application"], answer["kind"]) == ("shop", "publishable")
        assert answer["key"].startswith("eye_pk_")
        caller = authenticate(answer["key"])
        assert caller is not None
        assert caller.origins == {"https://shop.example", "http://localhost:3000"}

    def test_a_second_key_is_of_the_same_application(self) -> None:
        first = self.command("shop", "--kind", "secret")
        second = self.command("shop", "--kind", "secret")
        assert Application.objects.count() == 1
        assert first != second
        assert "eye_sk_" in first

    def test_a_wrong_origin_makes_nothing(self) -> None:
        with pytest.raises(CommandError, match="is no origin"):
            self.command("shop", "--kind", "publishable", "--origin", "shop.example")
        assert not Application.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_capture_page_has_one_key_for_ever() -> None:
    assert capture_key() == capture_key()
    assert ApiKey.objects.get().kind == "publishable"


@pytest.mark.django_db(transaction=True)
def test_two_keys_are_never_the_same() -> None:
    keys = {create_key("shop", "secret").key for _ in range(20)}
    assert len(keys) == ApiKey.objects.count() == 20


@pytest.mark.django_db(transaction=True)
class TestRotate:
    @pytest.fixture
    def old(self) -> NewKey:
        return create_key("shop", "publishable", [SHOP])

    def ends(self, key: NewKey) -> datetime | None:
        key.record.refresh_from_db()
        return key.record.expires_at

    def test_the_new_key_is_like_the_old_one_and_both_work(self, old: NewKey) -> None:
        new = rotate(old.record)
        assert new.key != old.key
        assert authenticate(old.key) is not None
        caller = authenticate(new.key)
        assert caller is not None
        assert caller.application_id == old.record.application_id
        assert (caller.publishable, caller.origins) == (True, frozenset([SHOP]))
        assert caller.expires_at is None

    def test_the_old_key_goes_on_for_a_day(self, old: NewKey) -> None:
        before = now()
        rotate(old.record)
        ends = self.ends(old)
        assert ends is not None
        assert timedelta(0) <= ends - before - timedelta(hours=24) < timedelta(minutes=1)

    def test_it_may_end_at_once(self, old: NewKey) -> None:
        assert authenticate(old.key)
        rotate(old.record, timedelta(0))
        assert authenticate(old.key) is None

    def test_it_never_lives_longer_than_it_was_to(self, old: NewKey) -> None:
        soon = now() + timedelta(hours=1)
        ApiKey.objects.update(expires_at=soon)
        rotate(old.record, timedelta(days=7))
        assert self.ends(old) == soon

    @pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
    def test_a_key_that_has_ended_is_not_rotated(self, old: NewKey, end: str) -> None:
        ApiKey.objects.update(**{end: now()})
        with pytest.raises(CannotRotate, match="no longer live"):
            rotate(old.record)
        assert ApiKey.objects.count() == 1

    def test_the_capture_pages_key_is_not_rotated(self) -> None:
        capture_key()
        with pytest.raises(CannotRotate, match="EYE_SECRET_KEY"):
            rotate(ApiKey.objects.get())

    def test_a_new_key_does_not_show_itself_by_accident(self, old: NewKey) -> None:
        assert old.key not in repr(old)


class TestLastUse:
    def look_up(self, shop: Sender) -> datetime | None:
        keys.forget()
        assert authenticate(shop.key)
        return ApiKey.objects.get().last_used_at

    def test_it_is_noted_when_the_key_is_looked_up(self, shop: Sender) -> None:
        assert ApiKey.objects.get().last_used_at is None
        before = now() - timedelta(seconds=1)
        used = self.look_up(shop)
        assert used is not None
        assert used > before

    def test_it_is_noted_once_a_minute(self, shop: Sender) -> None:
        assert self.look_up(shop) == self.look_up(shop)
        long_ago = now() - timedelta(minutes=2)
        ApiKey.objects.update(last_used_at=long_ago)
        used = self.look_up(shop)
        assert used is not None
        assert used > long_ago

    def test_a_key_that_is_refused_is_not_used(self, shop: Sender) -> None:
        ApiKey.objects.update(revoked_at=now())
        keys.forget()
        assert authenticate(shop.key) is None
        assert ApiKey.objects.get().last_used_at is None

    def test_a_database_that_only_reads_lets_the_key_in(self, shop: Sender) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            used = self.look_up(shop)
            cursor.execute("SET default_transaction_read_only = off")
        assert used is None

    def test_nobody_waits_for_who_edits_the_key(self, shop: Sender) -> None:
        other = connections.create_connection("default")
        with other.cursor() as cursor:
            cursor.execute("BEGIN; UPDATE tracking_apikey SET origins = '{}'")
            with transaction.atomic(), connection.cursor() as own:
                own.execute("SET LOCAL lock_timeout = '1s'")
                assert self.look_up(shop) is None
            cursor.execute("ROLLBACK")
        other.close()


class TestMemory:
    def test_unknown_keys_do_not_fill_it_nor_drive_out_live_ones(
        self, shop: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "MEMORY_SIZE", 20)
        assert authenticate(shop.key)
        for number in range(100):
            assert authenticate(f"eye_sk_{number}") is None
        assert len(keys._memory) <= 20
        with connection.execute_wrapper(fail):
            assert authenticate(shop.key)

    def test_what_looks_like_no_key_is_not_looked_up(self, shop: Sender) -> None:
        with connection.execute_wrapper(fail):
            assert authenticate("password") is None


def fail(*arguments: Any) -> Any:
    raise AssertionError("The database was asked.")


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_an_end_counts_within_ten_seconds_in_every_process(
    shop: Sender, session: UUID, tmp_path: Path, end: str
) -> None:
    with run_web(tmp_path / "web.log") as web:
        assert status(web, shop, session) == 202
        ApiKey.objects.update(**{end: now()})
        until(lambda: status(web, shop, session) == 401, seconds=10)


def status(web: Process, sender: Sender, session: UUID) -> int:
    body = json.dumps(event(session)).encode()
    headers = {"Authorization": f"Bearer {sender.key}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{web.url}/api/events", body, headers)
        ) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


class TestOrigins:
    """A publishable key, wherever it stands in the request."""

    def send(self, pages: Sender, session: UUID, origin: str | None, where: str) -> Any:
        body = json.dumps(event(session))
        headers = {"Origin": origin} if origin is not None else {}
        if where == "address":
            path = f"/api/events?key={pages.key}"
            return Client().post(path, body, "text/plain", headers=headers)
        key = {"header": {"Authorization": f"Bearer {pages.key}"}, "own": {"X-Eye-Key": pages.key}}
        return Client().post(
            "/events/", body, "application/json", headers={**headers, **key[where]}
        )

    @pytest.mark.parametrize("where", ["header", "own", "address"])
    def test_it_works_from_its_own_origin_alone(
        self, shop_pages: Sender, session: UUID, where: str
    ) -> None:
        assert self.send(shop_pages, session, SHOP, where).status_code == 202
        for origin in (
            "https://shop.example.evil.com",
            "https://evil.com",
            "https://shop.example:8443",
            "http://shop.example",
            "https://SHOP.example.",
            "https://shop.example/",
            "null",
        ):
            response = self.send(shop_pages, session, origin, where)
            assert (response.status_code, origin) == (403, origin)
            assert response.json()["error"]["code"] == "wrong_origin"
            assert "Access-Control-Allow-Origin" not in response

    @pytest.mark.parametrize("origin", [None, SHOP, "https://evil.com", "null"])
    @pytest.mark.parametrize("where", ["header", "own", "address"])
    def test_caches_are_told_that_the_origin_matters(
        self, shop_pages: Sender, session: UUID, where: str, origin: str | None
    ) -> None:
        assert "origin" in self.send(shop_pages, session, origin, where)["Vary"].lower()

    def test_errors_tell_it_too(self, shop_pages: Sender, session: UUID) -> None:
        pointer, validate = f"/api/sessions/{session}/pointer", "/api/events/validate"
        for path in ("/api/events", "/api/events/", "/events", "/events/", pointer, validate):
            for response in (
                Client().get(path),
                Client().post(path, "{", "application/json"),
                Client().post(path, "{", "application/json", headers={"Host": "evil.example"}),
                shop_pages.post("{", path),
                shop_pages.post("[]", path, headers={"Origin": SHOP}),
            ):
                assert response.status_code >= 400
                assert "origin" in response["Vary"].lower()

    def test_it_only_writes(self, shop_pages: Sender, session: UUID) -> None:
        for path in (f"/api/sessions/{session}", f"/api/receipts/{session}"):
            assert shop_pages.get(path).status_code == 403
            assert Client().get(f"{path}?key={shop_pages.key}").status_code == 403

    def test_the_origins_of_an_expired_key_are_forgotten(self, shop_pages: Sender) -> None:
        ask = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
        ApiKey.objects.update(expires_at=now())
        cors.forget()
        assert "Access-Control-Allow-Origin" not in Client().options("/api/events", headers=ask)
