"""What a list of errors shows of a wrong value, and what it does not."""

import json
from time import perf_counter
from typing import Any

import pytest

from tracking.masking import is_sensitive, masked_text
from tracking.problems import Problem, storable

UUID = "6f9619ff-8b86-4011-b42d-00c04fc964ff"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("jane.doe+shop@mail.example.co.uk", "***"),
        ("write to jane@mail.example now", "write to *** now"),
        ("4111 1111 1111 1111", "***"),
        ("4111-1111-1111-1111", "***"),
        ("card 4111111111111111, thanks", "card ***, thanks"),
        ("+49 (0)30 1234-5678", "***"),
        ("call 0171 1234567", "call ***"),
        ("192.168.100.200", "***"),
        ("DE89 3704 0044 0532 0130 00", "***"),
        ("eye_sk_abcdefghijklmnop-QRST_uv", "eye_sk_***"),
        ("key=eye_pk_abcdefghijklmnop", "key=eye_pk_***"),
        ("Bearer abcdefgh12345678", "Bearer ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "***"),
        ("/reset?token=abcdef&page=2", "/reset?token=***&page=2"),
        ("password: hunter2", "password: ***"),
        # What is not masked.
        ("2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31 12:00:00.123456+00:00", "2026-01-31 12:00:00.123456+00:00"),
        (UUID, UUID),
        ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001"),
        ("chat bubble 12345", "chat bubble 12345"),
        ("shop.example/path?page=2", "shop.example/path?page=2"),
        ("#2f2f2f", "#2f2f2f"),
        ("", ""),
    ],
)
def test_text_is_masked_where_it_tells_too_much(text: str, shown: str) -> None:
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "hunter2", "n": 1}, {"password": "***", "n": 1}),
        ({"newPassword": ["a", {"b": "c"}]}, {"newPassword": "***"}),
        ({"a": [{"access_token": "x"}]}, {"a": [{"access_token": "***"}]}),
        ({"jane@mail.example": 1}, {"***": 1}),
        ({"card": {"number": 4111}}, {"card": "***"}),
        (4111111111111111, "***"),
        (4111111111111111.0, "***"),
        ([1700000000, 12.5, True, None, -3], [1700000000, 12.5, True, None, -3]),
    ],
)
def test_values_are_masked_inside(value: Any, shown: Any) -> None:
    assert Problem("data.x", "code", "Message.", value).shown() == json.dumps(shown)


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        *((name, True) for name in ("password", "PASSWORD", "passwd", "user_password", "newPwd")),
        *((name, True) for name in ("secret", "clientSecret", "token", "csrftoken", "api-key")),
        *((name, True) for name in ("Authorization", "Set-Cookie", "card", "cardNumber", "cvv")),
        *((name, True) for name in ("iban", "ssn", "auth", "creditcard", "private_key", "pin")),
        *((name, False) for name in ("host", "path", "cardinality", "author", "spin", "x", "")),
        *((name, False) for name in ("discard", "passport_page", "pinned", "element")),
    ],
)
def test_names_tell_what_is_nobodys_business(name: str, sensitive: bool) -> None:
    assert is_sensitive(name) is sensitive


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("data.form.password", "hunter2", '"***"'),
        ("data.cards[2].card.x", 5, '"***"'),
        ("data.form.mail", "jane@mail.example", '"***"'),
        ("timestamp", 1700000000000, "1700000000000"),
        ("timestamp", "1700000000000", '"1700000000000"'),
        ("timestamp", "2026-13-45T99:00:00.000000000", '"2026-13-45T99:00:00.000000000"'),
        ("session_id", "00000000000000000000000000000001x", '"00000000000000000000000000000001x"'),
        ("session_id", "jane@mail.example", '"***"'),
        ("session.id", 123456789012345, "123456789012345"),
        ("category", "+49 30 12345678", '"***"'),
        ("data.t", None, ""),
    ],
)
def test_a_problem_shows_its_value_masked(field: str, value: Any, shown: str) -> None:
    assert Problem(field, "code", "Message.", value).shown() == shown


def test_a_secret_is_masked_before_it_is_cut() -> None:
    shown = Problem("data.x", "code", "Message.", "x" * 90 + " jane@mail.example").shown()
    assert "jane" not in shown
    assert len(shown) <= 100


def test_the_whole_event_is_masked() -> None:
    shown = Problem(
        "", "not_an_object", "Message.", [{"token": "abc"}, "jane@mail.example"]
    ).shown()
    assert shown == '[{"token": "***"}, "***"]'


@pytest.mark.parametrize(
    "text",
    [
        "1" * 60_000,
        "a@" * 30_000,
        "a.b" * 20_000,
        "1 (" * 20_000,
        "eyJ" * 20_000,
        "DE12" * 15_000,
        "2026-01-31" * 6_000,
        "token " * 10_000,
        "_@-." * 15_000,
        "ab12-" * 12_000,
    ],
    ids=lambda text: text[:6],
)
def test_a_long_text_is_masked_in_time(text: str) -> None:
    start = perf_counter()
    masked_text(text)
    assert perf_counter() - start < 0.5


@pytest.mark.parametrize(
    ("text", "kept"),
    [("page", "page"), ("\0", r"\u0000"), ("a\ud800b", r"a\ud800b"), ("é👁\n", "é👁\n")],
)
def test_what_no_column_holds_is_kept_as_an_escape(text: str, kept: str) -> None:
    assert storable(text) == kept


def test_a_place_is_readable_and_short() -> None:
    assert Problem("data.a\0b", "code", "Message.").place() == r"data.a\u0000b"
    assert len(Problem("data." + "k" * 500, "code", "Message.").place()) == 200
