"""What a scenario needs: a database that is thrown away, a key, and a web server on it."""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench import events

if TYPE_CHECKING:
    from config.children import Child

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 60.0
# No scenario is to run into a limit of its key.
NO_LIMIT = 2_000_000_000
# What `empty` leaves alone.
KEPT = {
    "tracking_application",
    "tracking_apikey",
    "tracking_eventtype",
    "tracking_schemaversion",
    "bench_inbox",
}


@contextlib.contextmanager
def services() -> Iterator[None]:
    """PostgreSQL (with fsync) and Valkey in a folder of their own, migrated; and Django set up."""
    sys.path[:0] = [str(ROOT), str(ROOT / "site")]
    from config import embedded

    folder = Path(tempfile.mkdtemp(prefix="eye-bench-"))
    try:
        with embedded.hold(folder):
            sockets = quote(str(embedded.postgres_socket_dir(folder)), safe="")
            valkey = embedded.valkey_socket(folder)
            os.environ |= {
                "EYE_DATA_DIR": str(folder),
                "EYE_SECRET_KEY": "only for measuring",
                "EYE_LOG_LEVEL": "ERROR",
                "DATABASE_URL": f"postgresql://eye@{sockets}/eye",
                "CELERY_BROKER_URL": f"redis+socket://{valkey}?virtual_host=0",
                "CACHE_URL": f"unix://{valkey}?db=1",
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def child(name: str, argv: Sequence[str], **environ: str) -> "Child":
    """A process on the services of the stage, to be started and stopped."""
    from config import children

    log = Path(os.environ["EYE_DATA_DIR"]) / f"{name}.log"
    return children.Child(name, argv, children.environment(os.environ, **environ), log)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def connected(port: int) -> HTTPConnection:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return connection


def sql(statement: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> list[Any]:
    """Runs a statement in a transaction of its own; its rows, if it has any."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True, slots=True)
class Sender:
    application_id: int
    key_id: int
    key: str


@cache
def sender(application: str) -> Sender:
    """A secret key of an application that may send as much as it can."""
    from tracking import event_types, keys
    from tracking.models import Application, EventType

    new = keys.create_key(application, "secret")
    owner = Application.objects.get(name=application)
    owner.secret_events_per_minute = NO_LIMIT
    owner.save()
    name = {"category": events.OWN_CATEGORY, "name": events.OWN_NAME}
    kind = EventType.objects.create(application=owner, **name)
    event_types.add_version(kind, events.OWN_SCHEMA, user=None)
    return Sender(owner.pk, new.record.pk, new.key)


def shop() -> Sender:
    """Who sends, where it does not matter who."""
    return sender("shop")


@cache
def staff_cookie() -> str:
    """Of a superuser's admin session."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("analyst"))
    return f"sessionid={client.cookies['sessionid'].value}"


def copy_inbox() -> None:
    """A table for the bare app, with the inbox's indexes and settings."""
    sql("CREATE TABLE IF NOT EXISTS bench_bare (LIKE tracking_batch INCLUDING ALL)")
    table = "SELECT unnest(reloptions) FROM pg_class WHERE oid = 'tracking_batch'::regclass"
    for (setting,) in sql(table):
        sql(f"ALTER TABLE bench_bare SET ({setting})")


def empty() -> None:
    """No batch, event or report is left; and what was written before is on disk."""
    rows = sql(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relname ~ '^(tracking|reports|bench)_' ORDER BY relname"
    )
    names = [name for (name,) in rows if name not in KEPT]
    truncate(names)
    sql("CHECKPOINT")


def truncate(tables: Sequence[str], attempts: int = 5) -> None:
    """A worker that looks around meanwhile may wait for us while we wait for it."""
    from django.db import OperationalError

    try:
        sql(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
    except OperationalError:
        if attempts == 1:
            raise
        truncate(tables, attempts - 1)


def say(text: str) -> None:
    """Progress, apart from the figures."""
    print(f"   {text}", file=sys.stderr, flush=True)


def milliseconds(since: float) -> float:
    return (time.perf_counter() - since) * 1000
