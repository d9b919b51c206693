"""Answers that are made while they are read."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client

from reports.builder import build_stale
from reports.models import SessionReport
from tests.cast import event, sender
from tests.line import answered, head, line
from tests.processes import Process
from tests.waiting import until
from tracking.digest import digest_until_empty
from tracking.models import Session, SessionApplication

pytestmark = pytest.mark.django_db

CSV = "/api/reports.csv"
# More than what waits for a reader on its way to him.
REPORTS = 40_000
MULTIPLY = """
INSERT INTO {table} SELECT copy.*
  FROM {table} AS one, generate_series(1, {reports}) AS n,
       jsonb_populate_record(one, jsonb_build_object('{id}', md5(n::text)::uuid)) AS copy
"""
WAITING = "FROM pg_locks WHERE relation = 'reports_sessionreport'::regclass AND NOT granted"


@pytest.fixture(scope="module")
def request_of_all(lasting_db: None) -> bytes:
    """For the reports of a shop that has many."""
    key = f"Bearer {sender('shop').key}"
    body = event(UUID(int=1))
    Client(headers={"Authorization": key}).post("/api/events", body, "application/json")
    digest_until_empty()
    build_stale()
    with connection.cursor() as cursor:
        for model, id in (
            (Session, "id"),
            (SessionApplication, "session_id"),
            (SessionReport, "session_id"),
        ):
            cursor.execute(MULTIPLY.format(table=model._meta.db_table, id=id, reports=REPORTS))
    return head("GET", CSV, f"Authorization: {key}")


@contextlib.contextmanager
def held_up(cursor: CursorWrapper) -> Iterator[None]:
    """Nobody reads reports meanwhile."""
    with transaction.atomic():
        cursor.execute("LOCK TABLE reports_sessionreport")
        yield
        transaction.set_rollback(True)


def found(cursor: CursorWrapper, query: str) -> bool:
    cursor.execute(query)
    return cursor.fetchone() is not None


def more_is_made() -> bool:
    """Whether anyone comes to read reports."""
    with connection.cursor() as cursor, held_up(cursor):
        time.sleep(0.2)
        return found(cursor, f"SELECT 1 {WAITING}")


def test_no_more_is_made_than_is_read(web: Process, request_of_all: bytes) -> None:
    with line(web) as client:
        client.send(request_of_all)
        until(lambda: not more_is_made())
        answer = client.answer()
    assert answer
    assert answer.body.count(b"\n") == REPORTS + 2


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_no_more_is_made_for_a_client_that_has_gone(
    web: Process, request_of_all: bytes, method: bytes
) -> None:
    with line(web) as client:
        client.send(request_of_all.replace(b"GET", method))
        assert client.answer(has_body=False)
    _, *later = [more_is_made() for _ in range(3)]
    assert not any(later)


def test_what_fails_in_the_middle_does_not_end_properly(
    web: Process, request_of_all: bytes
) -> None:
    with line(web) as client:
        client.send(request_of_all)
        assert client.answer(has_body=False)
        until(lambda: not more_is_made())
        with connection.cursor() as cursor, held_up(cursor), ThreadPoolExecutor(1) as pool:
            rest = pool.submit(list, client.chunks())
            until(lambda: found(cursor, f"SELECT pg_terminate_backend(pid) {WAITING}"))
            with pytest.raises(ConnectionError, match="breaks off"):
                rest.result()
    assert answered(web, request_of_all).body.count(b"\n") == REPORTS + 2
