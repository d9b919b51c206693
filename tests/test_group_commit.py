"""What is sent at the same time is committed together, and yet everyone gets an answer of their own."""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from tests.cast import Sender, event, sender
from tests.line import Answer, answered, head, line
from tests.processes import Process, run_web
from tests.waiting import until
from tracking.models import Application, Batch

pytestmark = pytest.mark.django_db(transaction=True)


def request(key: str, *events: Any) -> bytes:
    body = json.dumps(events).encode()
    length = f"Content-Length: {len(body)}"
    return head("POST", "/api/events", f"Authorization: Bearer {key}", length) + body


def receipts(answers: list[Answer]) -> set[UUID]:
    return {UUID(json.loads(answer.body)["receipt"]) for answer in answers if answer.status == 202}


def in_inbox() -> set[UUID]:
    return set(Batch.objects.values_list("receipt", flat=True))


@contextlib.contextmanager
def waiting_together(number: int) -> Iterator[ThreadPoolExecutor]:
    """What is sent inside goes into the inbox at the end of it, all but the first as one group."""
    with ThreadPoolExecutor(number) as pool, connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK tracking_batch IN EXCLUSIVE MODE")
        yield pool
        time.sleep(0.5)
        cursor.execute("COMMIT")


def statuses(sent: list[Future[Answer]]) -> list[int]:
    return [each.result().status for each in sent]


def test_each_of_many_has_a_receipt_of_its_own(web: Process, shop: Sender, session: UUID) -> None:
    with ThreadPoolExecutor(100) as pool:
        sent = [
            pool.submit(answered, web, request(shop.key, *[event(session)] * (n % 5 + 1)))
            for n in range(400)
        ]
    answers = [each.result() for each in sent]
    assert len(receipts(answers)) == 400
    assert receipts(answers) == in_inbox()
    assert [json.loads(answer.body)["accepted"] for answer in answers] == [
        n % 5 + 1 for n in range(400)
    ]


def test_a_key_over_its_limit_is_refused_alone(web: Process, shop: Sender, session: UUID) -> None:
    few = sender("few")
    Application.objects.filter(name="few").update(secret_events_per_minute=5)
    with waiting_together(40) as pool:
        good = [pool.submit(answered, web, request(shop.key, event(session))) for _ in range(20)]
        many = [
            pool.submit(answered, web, request(few.key, *[event(session)] * 3)) for _ in range(20)
        ]
    assert set(statuses(good)) == {202}
    assert set(statuses(many)) == {202, 429}
    assert statuses(many).count(202) <= 2  # two, where a new minute begins
    assert all(each.result().headers["Retry-After"] for each in many if each.result().status == 429)


def test_who_leaves_while_waiting_takes_nobody_along(
    web: Process, shop: Sender, session: UUID
) -> None:
    with waiting_together(20) as pool:
        for _ in range(10):
            with line(web) as client:
                client.send(request(shop.key, event(session)))
        sent = [pool.submit(answered, web, request(shop.key, event(session))) for _ in range(20)]
    assert set(statuses(sent)) == {202}
    assert receipts([each.result() for each in sent]) <= in_inbox()


TRIGGER = """
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF convert_from(NEW.body, 'UTF8') LIKE '%%a bad one%%' THEN
        RAISE 'out of order' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fails BEFORE INSERT ON tracking_batch FOR EACH ROW EXECUTE FUNCTION fails();
"""


# A sequence counts on, whatever becomes of the transaction.
TRIES = """
CREATE SEQUENCE tries;
CREATE FUNCTION tries() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM nextval('tries');
    RETURN NULL;
END $$;
CREATE TRIGGER tries BEFORE INSERT ON tracking_batch EXECUTE FUNCTION tries();
"""


@contextlib.contextmanager
def failing(sqlstate: str) -> Iterator[None]:
    """PostgreSQL answers so to whoever puts a bad one into the inbox."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGER.replace("%%", "%").format(sqlstate=sqlstate))
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION fails CASCADE")


@contextlib.contextmanager
def tries() -> Iterator[Callable[[], int]]:
    """How often somebody has begun to put something into the inbox, also in vain."""
    with connection.cursor() as cursor:
        cursor.execute(TRIES)

        def tried() -> int:
            cursor.execute("SELECT last_value FROM tries WHERE is_called")
            (number,) = cursor.fetchone() or (0,)
            return int(number)

        try:
            yield tried
        finally:
            cursor.execute("DROP FUNCTION tries CASCADE; DROP SEQUENCE tries")


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("53100", 503, "unavailable"),  # the disk is full
        ("53200", 503, "unavailable"),  # out of memory
        ("25006", 503, "unavailable"),  # it only reads
        ("40P01", 503, "unavailable"),  # a deadlock
        ("57P03", 503, "unavailable"),  # it is starting
        ("42P01", 500, "internal_error"),  # a table is missing
        ("XX000", 500, "internal_error"),  # nobody knows
        ("22021", 500, "internal_error"),  # a value it cannot hold
    ],
)
def test_what_the_database_says_decides_the_answer(
    web: Process, shop: Sender, session: UUID, sqlstate: str, status: int, code: str
) -> None:
    with failing(sqlstate):
        answer = answered(web, request(shop.key, event(session, name="a bad one")))
    assert (answer.status, answer.code) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert answered(web, request(shop.key, event(session))).status == 202


def test_what_one_did_fails_no_other(web: Process, shop: Sender, session: UUID) -> None:
    with failing("22021"), waiting_together(20) as pool:
        sent = [
            pool.submit(answered, web, request(shop.key, event(session, name=name)))
            for name in ["a good one", "a bad one", "another"] * 5
        ]
    assert statuses(sent) == [202, 500, 202] * 5
    assert receipts([each.result() for each in sent]) == in_inbox()


def test_what_one_did_counts_no_event_twice(web: Process, session: UUID) -> None:
    few = sender("few")
    Application.objects.filter(name="few").update(secret_events_per_minute=25)
    with failing("22021"), waiting_together(20) as pool:
        sent = [
            pool.submit(answered, web, request(few.key, event(session, name=name)))
            for name in ["a good one"] * 19 + ["a bad one"]
        ]
    assert statuses(sent) == [202] * 19 + [500]


def test_what_fails_all_is_not_tried_for_each(web: Process, shop: Sender, session: UUID) -> None:
    with tries() as tried, failing("42P01"):
        with waiting_together(20) as pool:
            sent = [
                pool.submit(answered, web, request(shop.key, event(session, name="a bad one")))
                for _ in range(20)
            ]
        assert set(statuses(sent)) == {500}
        assert 1 <= tried() < 10


@pytest.mark.parametrize("table", ["tracking_application", "tracking_apikey", "tracking_batch"])
def test_a_locked_table_holds_up_nobody(
    web: Process, shop: Sender, session: UUID, table: str
) -> None:
    """Such as by a migration that waits with its lock for a dump."""
    asked = request(shop.key, event(session))
    with connection.cursor() as cursor, ThreadPoolExecutor(40) as pool:
        cursor.execute(f"BEGIN; LOCK {table} IN ACCESS EXCLUSIVE MODE")
        try:
            answers = list(pool.map(lambda _: answered(web, asked), range(40)))
        finally:
            cursor.execute("ROLLBACK")
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    until(lambda: answered(web, asked).status == 202)


def test_who_is_stopped_finishes_what_it_was_asked(shop: Sender, session: UUID, logs: Path) -> None:
    """Also what was asked half."""
    asked = request(shop.key, event(session))
    with run_web(logs / "stopped.log") as web, line(web) as slow, ThreadPoolExecutor(8) as pool:
        slow.send(asked[:-1])
        answers: list[Answer] = []

        def send() -> None:
            with contextlib.suppress(ConnectionError, AssertionError):
                while True:
                    answers.append(answered(web, asked))

        for _ in range(8):
            pool.submit(send)
        until(lambda: len(answers) > 50)
        web.signal(signal.SIGTERM)
        until(lambda: "Shutting down" in web.output())
        answer = slow.ask(asked[-1:])
        assert answer
        answers.append(answer)
        until(lambda: not web.running)
    assert {answer.status for answer in answers} == {202}
    assert receipts(answers) == in_inbox()
