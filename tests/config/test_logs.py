"""What no log ever shows."""

import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from config import logs
from django.conf import settings

from tests.cast import Sender
from tests.processes import Process, run_web, run_worker
from tests.waiting import until

PAGE = "eye_pk_0123456789-abcdefghij_KLMNOPQRST"
SERVER = "eye_sk_0123456789-abcdefghij_KLMNOPQRST"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (PAGE, "eye_pk_***"),
        (
            f"GET /events?key={PAGE}&sent_at=x HTTP/1.1",
            "GET /events?key=eye_pk_***&sent_at=x HTTP/1.1",
        ),
        (f"{{'Authorization': 'Bearer {SERVER}'}}", "{'Authorization': 'Bearer eye_sk_***'}"),
        (f"{PAGE}, {SERVER}.", "eye_pk_***, eye_sk_***."),
        ("?key=eye%5Fpk%5Fabc%2Ddef", "?key=eye_pk_***"),
        ("eye_pointer eyes_pk_ spy_sk_x", "eye_pointer eyes_pk_ spy_sk_x"),
    ],
)
def test_a_key_is_shown_as_its_kind(text: str, shown: str) -> None:
    assert logs.without_keys(text) == shown


def test_neither_the_message_nor_the_traceback_has_a_key() -> None:
    try:
        raise ValueError(f"no such key: {SERVER}")
    except ValueError as error:
        record = logging.LogRecord("eye", logging.ERROR, "x.py", 1, "%s", (PAGE,), None)
        record.exc_info = (type(error), error, error.__traceback__)
    text = logs.line().format(record)
    assert "eye_pk_***" in text
    assert "ValueError: no such key: eye_sk_***" in text
    assert not {PAGE, SERVER} & set(text.split())


def test_every_handler_of_ours_hides_keys() -> None:
    logging_settings: dict[str, Any] = settings.LOGGING
    assert logging_settings["formatters"] == {"line": {"()": logs.line}}
    assert {each["formatter"] for each in logging_settings["handlers"].values()} == {"line"}


def test_a_logger_that_others_set_up_hides_them_too() -> None:
    logger = logging.Logger("somebody's")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("theirs: %(message)s"))
    logger.addHandler(handler)
    for _ in range(2):
        logs.hide_keys(logger)
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, f"a {PAGE}", (), None)
    assert handler.format(record) == "theirs: a eye_pk_***"


@pytest.mark.parametrize(("status", "shown"), [(429, False), (400, True), (None, True)])
def test_refused_floods_are_not_logged(status: int | None, shown: bool) -> None:
    record = logging.LogRecord("django.request", logging.WARNING, "x.py", 1, "x", (), None)
    if status:
        record.status_code = status
    assert logs.is_not_throttled(record) is shown


def request(web: Process, path: str, **headers: str) -> int:
    asked = urllib.request.Request(f"{web.url}{path}", b"{", headers)
    try:
        with urllib.request.urlopen(asked, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_web_process_logs_refusals_and_no_key(
    shop: Sender, shop_pages: Sender, tmp_path: Path
) -> None:
    with run_web(tmp_path / "web.log") as web:
        secret = {"Authorization": f"Bearer {shop.key}"}
        assert (
            request(web, f"/events?key={shop_pages.key}", **{"Content-Type": "text/plain"}) == 400
        )
        assert request(web, f"/events?key={PAGE}") == 401
        assert request(web, f"/nowhere?key={shop_pages.key}") == 404
        assert request(web, f"/{shop_pages.key}") == 404
        assert request(web, "/events", Host=f"{shop_pages.key}.example") == 400
        assert request(web, "/events", **secret, Origin="https://shop.example") == 403
        written = web.output()
    assert "django.request: Not Found: /eye_pk_***" in written
    for key in (shop.key, shop_pages.key, PAGE):
        assert key not in written
        assert key.partition("k_")[2] not in written


def test_a_worker_logs_no_key_either(shop: Sender, tmp_path: Path) -> None:
    with run_worker(tmp_path / "worker.log") as worker:
        current_app.send_task(f"no task is called {shop.key}", [shop.key], queue="default")
        until(lambda: "eye_sk_***" in worker.output())
        assert shop.key not in worker.output()
