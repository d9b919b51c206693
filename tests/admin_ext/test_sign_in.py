"""Signing in: what is kept of it, and how guessing is stopped."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from admin_ext.attempts import MOST
from tracking.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "owner of the eye"
HERE, THERE = "203.0.113.7", "198.51.100.66"
TOO_MANY = "Too many attempts"


@pytest.fixture(autouse=True)
def nina(settings: Settings) -> User:
    """Her password is kept in a way that is quick to check: this is not about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("nina", password=PASSWORD)


def sign_in(
    password: str = PASSWORD,
    name: str = "nina",
    address: str = HERE,
    client: Client | None = None,
    forwarded: str = "",
) -> Any:
    client = client or Client()
    data = {"username": name, "password": password}
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return client.post(reverse("admin:login"), data, REMOTE_ADDR=address, headers=headers)


def sign_out(client: Client) -> None:
    client.post(reverse("admin:logout"))


def guess(times: int, **more: Any) -> None:
    for number in range(times):
        sign_in(f"guess {number}", **more)


def is_in(response: Any) -> bool:
    return bool(response.status_code == 302)


def noted() -> list[tuple[str, str, str | None]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "actor", "address"))


def test_who_signs_in_and_out_is_noted() -> None:
    client = Client()
    assert is_in(sign_in(client=client))
    client.post(reverse("admin:logout"), REMOTE_ADDR=HERE)
    assert noted() == [("staff.signed_in", "nina", HERE), ("staff.signed_out", "nina", HERE)]
    assert AuditEntry.objects.filter(user=User.objects.get()).count() == 2


def test_a_wrong_password_is_noted_by_the_name_that_was_typed_and_nothing_else() -> None:
    assert not is_in(sign_in("something secret", "somebody"))
    (entry,) = AuditEntry.objects.values()
    assert (entry["action"], entry["actor"]) == ("staff.sign_in_failed", "somebody")
    assert not any(entry[field] for field in ("user_id", "details", "target"))


def test_a_name_of_any_length_and_kind_is_noted() -> None:
    for name in ("n" * 10_000, "\0", "<script>", "\u202enina"):
        assert sign_in("wrong", name).status_code == 200


def test_a_forged_header_is_not_believed(settings: Settings) -> None:
    sign_in("wrong", forwarded=THERE)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    sign_in("wrong", forwarded=f"10.0.0.1, {THERE}")
    assert [address for _, _, address in noted()] == [HERE, THERE]


def test_guessing_is_stopped_and_the_right_password_too() -> None:
    guess(MOST["pair"])
    response = sign_in()
    assert not is_in(response)
    assert TOO_MANY in response.content.decode()
    assert [action for action, *_ in noted()] == [
        *["staff.sign_in_failed"] * MOST["pair"],
        "staff.refused",
    ]


def test_going_on_to_guess_writes_nothing_more() -> None:
    guess(MOST["pair"] + 5)
    assert AuditEntry.objects.count() == MOST["pair"] + 1


def test_guessing_from_elsewhere_leaves_who_it_is_about_alone() -> None:
    guess(MOST["pair"] + 1, address=THERE)
    assert is_in(sign_in(address=HERE))


def test_one_address_cannot_try_every_account() -> None:
    for number in range(MOST["address"]):
        sign_in("12345678", f"user {number}", THERE)
    assert TOO_MANY in sign_in(address=THERE).content.decode()
    assert is_in(sign_in(address=HERE))


def test_one_account_cannot_be_tried_from_everywhere() -> None:
    for number in range(MOST["account"]):
        sign_in("12345678", address=f"198.51.100.{number}")
    assert TOO_MANY in sign_in(address=HERE).content.decode()


def test_nobody_can_lock_out_a_browser_that_has_signed_in_before() -> None:
    """Also behind a proxy whose address everybody seems to come from."""
    known = Client()
    assert is_in(sign_in(client=known))
    sign_out(known)
    guess(MOST["pair"])
    for number in range(MOST["address"]):
        sign_in("12345678", f"user {number}")
    assert not is_in(sign_in())
    assert is_in(sign_in(client=known))


def test_a_known_browser_guesses_no_more_than_others() -> None:
    known = Client()
    sign_in(client=known)
    guess(MOST["browser"], client=known)
    assert TOO_MANY in sign_in(client=known).content.decode()


def test_a_cookie_of_another_account_helps_nobody() -> None:
    User.objects.create_user("mallory", password=PASSWORD, is_staff=True)
    mallory = Client()
    assert is_in(sign_in(name="mallory", client=mallory))
    sign_out(mallory)
    guess(MOST["pair"], client=mallory)
    assert TOO_MANY in sign_in(client=mallory).content.decode()


def test_who_knows_the_password_is_not_counted() -> None:
    for _ in range(MOST["address"] + 1):
        assert is_in(sign_in())


def test_without_the_cache_a_process_counts_for_itself(settings: Settings) -> None:
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///away"}
    settings.CACHES = {"default": away}
    name = "nobody we know of"
    guess(MOST["pair"], name=name)
    assert TOO_MANY in sign_in(name=name).content.decode()
    assert is_in(sign_in())


def test_a_change_of_the_own_password_is_noted(nina: User) -> None:
    client = Client()
    client.force_login(nina)
    new = {"old_password": PASSWORD, "new_password1": "new of nina", "new_password2": "new of nina"}
    assert client.post(reverse("admin:password_change"), new).status_code == 302
    assert [action for action, *_ in noted()] == ["staff.password"]
    nina.refresh_from_db()
    assert nina.check_password("new of nina")
