"""Behind a proxy that speaks HTTPS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.line import answered, head
from tests.processes import Process, run_web

LONG = "max-age=2592000"


@pytest.fixture(scope="module")
def web(django_db_setup: None, logs: Path) -> Iterator[Process]:
    with run_web(logs / "web.log", EYE_HTTPS="1") as process:
        yield process


@pytest.mark.parametrize(("scheme", "told"), [("https", LONG), ("http", None)])
@pytest.mark.parametrize(
    ("method", "path", "length", "status"),
    [
        ("POST", "/api/events", 0, 401),
        ("POST", "/api/sessions", 6_000_000, 413),
        ("GET", "/healthz", 0, 200),
        ("GET", "/nowhere", 0, 404),
    ],
)
def test_every_answer_says_that_it_stays_so(
    web: Process, method: str, path: str, length: int, status: int, scheme: str, told: str | None
) -> None:
    headers = (f"X-Forwarded-Proto: {scheme}", f"Content-Length: {length}")
    answer = answered(web, head(method, path, *headers) + bytes(length))
    assert answer.status == status
    assert answer.headers["Strict-Transport-Security"] == told
