"""The cast of the tests: a shop that sends events, its keys, and what it sends."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_django
from django.db import connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.test import Client

from tests.waiting import until
from tracking import claims, cors, event_types, keys, room
from tracking.digest import digest_until_empty
from tracking.models import Receipt

# The same in all parallel workers, which must agree on the names of the tests.
START = datetime.fromisoformat(os.environ["TESTS_STARTED_AT"]) - timedelta(minutes=5)


def at(seconds: float) -> str:
    """A timestamp some minutes ago, `seconds` after the first."""
    return (START + timedelta(seconds=seconds)).isoformat()


def event(session: UUID | str, **fields: Any) -> dict[str, Any]:
    return {
        "session_id": str(session),
        "category": "page interaction",
        "name": "cta click",
        "data": {"host": "shop.example", "element": "chat bubble"},
        "timestamp": at(0),
    } | fields


def move(session: UUID | str, seconds: float, x: float, y: float) -> dict[str, Any]:
    data = {"x": x, "y": y}
    return event(session, category="pointer", name="move", data=data, timestamp=at(seconds))


def path(
    session: UUID | str, seconds: float, t: list[float], x: list[float], y: list[float]
) -> Any:
    data = {"t": t, "x": x, "y": y}
    return event(session, category="pointer", name="path", data=data, timestamp=at(seconds))


@dataclass(frozen=True)
class Sender:
    """An application with a key, talking to the API as its own code would."""

    key: str
    application_id: int
    client: Client

    def post(self, body: Any, path: str = "/api/events", **more: Any) -> Any:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        options = {"content_type": "application/json", **more}
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return self.client.post(path, data, headers=headers, **options)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.key}", **headers})

    def send(self, *events: Any) -> Receipt:
        """Posts the events and has them digested, here or by a worker; their receipt."""
        response = self.post(list(events))
        assert response.status_code == 202, response.content
        digest_until_empty()
        receipt = Receipt.objects.filter(pk=response.json()["receipt"])
        return cast(Receipt, until(receipt.first))


def sender(application: str, kind: str = "secret", origins: tuple[str, ...] = ()) -> Sender:
    new = keys.create_key(application, kind, origins)
    return Sender(new.key, new.record.application_id, Client())


def elsewhere[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In another thread, with a connection of its own."""
    try:
        return work(*args, **kwargs)
    finally:
        connection.close()


@contextlib.contextmanager
def a_schema_that_does_not_fit() -> Iterator[None]:
    """As during an update: the code asks for a column that is not there."""
    rename = "ALTER TABLE tracking_event RENAME COLUMN {} TO {}"
    with connection.cursor() as cursor:
        cursor.execute(rename.format("data", "payload"))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(rename.format("payload", "data"))


@contextlib.contextmanager
def refused(table: str, check: str) -> Iterator[None]:
    """What does not pass the check makes the transaction that writes it to the table fail."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT bad CHECK ({check}) NOT VALID")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT bad")


def somebody_waits() -> bool:
    """Whether another connection waits for a lock that this thread's has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks "
            "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        (waiting,) = cursor.fetchone()
        return bool(waiting)


@receiver(connection_created)
def give_way_last(connection: Any, **signal: Any) -> None:
    """Emptying the tables after a test may meet a worker in a deadlock: the worker gives way."""
    with connection.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '1min'")


@pytest.fixture(autouse=True)
def forgotten_keys() -> None:
    keys.forget()
    cors.forget()
    event_types.forget()
    claims.forget()
    room.forget()


@pytest.fixture(scope="module")
def lasting_db(
    django_db_setup: Callable[[], None], django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """For a whole module, whose many tests leave each other's rows alone."""
    with django_db_blocker.unblock():
        yield
        django_db_setup()


@pytest.fixture
def shop(transactional_db: None) -> Sender:
    return sender("shop")


@pytest.fixture
def shop_pages(transactional_db: None) -> Sender:
    """The same shop's pages in browsers."""
    return sender("shop", "publishable", ("https://shop.example",))


@pytest.fixture
def stranger(transactional_db: None) -> Sender:
    """Another application, which has nothing to do with the shop."""
    return sender("stranger")


@pytest.fixture
def session() -> UUID:
    return uuid4()
