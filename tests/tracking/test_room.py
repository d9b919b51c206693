"""How full the inbox is, and what happens to senders when it is."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from tests.cast import Sender, event
from tests.line import answered, head
from tests.processes import run_web
from tests.waiting import until
from tracking import claims, room
from tracking.digest import digest_until_empty
from tracking.models import Batch

PUT = """
INSERT INTO tracking_batch (receipt, application_id, received_at, encoding, n_events, size,
                            attempts, next_at, body)
SELECT gen_random_uuid(), 1, now(), '', 1, 1, 0, now(), %s
  FROM generate_series(1, %s)
"""


def put(number: int, size: int) -> int:
    """So many bodies of so many bytes; how many bytes that are."""
    with connection.cursor() as cursor:
        cursor.execute(PUT, [os.urandom(size), number])
    return number * size


@pytest.mark.django_db
class TestLook:
    def test_an_empty_inbox_holds_nothing(self) -> None:
        assert room.bytes_waiting() == 0

    @pytest.mark.parametrize(("number", "size"), [(3, 1_000), (1, 5_000_000), (200, 100_000)])
    def test_few_bodies_are_counted(self, number: int, size: int) -> None:
        held = put(number, size)
        assert room.bytes_waiting() == pytest.approx(held, rel=0.01)

    def test_many_are_estimated(self) -> None:
        held = put(20_000, 1_500) + put(10_000, 100)
        assert room.bytes_waiting() == pytest.approx(held, rel=0.3)
        assert Batch.objects.count() > room.FEW

    @pytest.mark.parametrize("analyzed", ["never", "while it was empty"])
    def test_the_oldest_are_read_by_id_whatever_the_planner_expects(self, analyzed: str) -> None:
        with connection.cursor() as cursor:
            if analyzed == "while it was empty":
                cursor.execute("ANALYZE tracking_batch")
            put(3_000, 100)
            cursor.execute(claims.BY_INDEX + "EXPLAIN " + room.OLDEST, [room.FEW])
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using tracking_batch_pkey" in plan
        assert "Sort" not in plan

    def test_a_backlog_that_was_digested_counts_no_more(self) -> None:
        put(20_000, 1_500)
        Batch.objects.all().delete()
        held = put(10, 1_500)
        assert room.bytes_waiting() == pytest.approx(held, rel=0.01)


@pytest.fixture
def small_inbox(settings: Settings) -> Iterator[str]:
    settings.EYE_INBOX_BYTES = 20_000
    yield "20000"
    room.forget()


def test_a_full_inbox_takes_nothing_until_it_was_digested(
    shop: Sender, session: UUID, small_inbox: str, tmp_path: Path
) -> None:
    """By either door."""
    body = json.dumps(event(session, data={"x": os.urandom(30_000).hex()})).encode()
    length = f"Content-Length: {len(body)}"
    request = head("POST", "/api/events", f"Authorization: Bearer {shop.key}", length) + body

    def by_django() -> tuple[int, str]:
        answer = shop.post(body)
        code = answer.json().get("error", {}).get("code", "")
        return answer.status_code, code + answer.get("Retry-After", "")

    with run_web(tmp_path / "web.log", EYE_INBOX_BYTES=small_inbox) as web:
        assert by_django() == (202, "")
        until(lambda: answered(web, request).status != 202)
        full = answered(web, request)
        assert (full.status, full.code, full.headers["Retry-After"]) == (503, "inbox_full", "10")
        assert until(lambda: (seen := by_django())[0] != 202 and seen) == (503, "inbox_full10")
        assert web.output().count("The inbox holds") == 1

        digest_until_empty()
        until(lambda: by_django()[0] == 202)
        digest_until_empty()
        until(lambda: answered(web, request).status == 202)


def test_whoever_comes_after_it_was_emptied_is_not_refused(
    shop: Sender, session: UUID, small_inbox: str
) -> None:
    """Though nobody asked in between."""
    put(1, 30_000)
    until(lambda: shop.post(event(session)).status_code == 503)
    Batch.objects.all().delete()
    until(lambda: not room._gauge.full)
    assert shop.post(event(session)).status_code == 202
