"""Where it plays: services that are thrown away, or named ones; and the service's own processes."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import django
import psycopg2
from config import embedded
from django.core.management import call_command
from psycopg2 import sql

from ledger.crew import Crew
from ledger.disk import Disk, NoDisk
from ledger.proxy import Proxy

# What a developer may have set for their own service shall not change this one.
FOR_ALL = {"EYE_PG_BIN", "EYE_VALKEY_BIN"}
NAMED = {"DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL"}


class NotReady(Exception):
    """The message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Services:
    """PostgreSQL and the broker: `hold` has those that are our own."""

    hold: embedded.Hold
    disk: Disk | NoDisk

    def own(self, service: str) -> bool:
        return service in self.hold.services

    def pid(self, service: str) -> int:
        """Of the service's first process, once it is ready."""
        while not (status := self.hold.status(service)).get("ready"):
            time.sleep(0.02)
        return int(str(status["pid"]))


@dataclass(frozen=True, slots=True)
class Stage:
    services: Services
    crew: Crew
    proxies: Sequence[Proxy]


@contextlib.contextmanager
def services(folder: Path, database: str, broker: str) -> Iterator[Services]:
    """With fsync, migrated, and Django set up to use them; embedded ones where none are named."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    (folder / "logs").mkdir()
    needed = [service for service, url in (("postgres", database), ("valkey", broker)) if not url]
    with contextlib.ExitStack() as stack:
        disk = _disk(data, needed)
        if isinstance(disk, Disk):
            stack.callback(disk.release)
        hold = stack.enter_context(embedded.hold(data, needed))
        stack.callback(_keep_logs, data / "logs", folder / "logs")
        if database:
            database = stack.enter_context(_database_of_its_own(database))
        _settle_environment(data, DATABASE_URL=database, CELERY_BROKER_URL=broker)
        django.setup()
        call_command("migrate", verbosity=0)
        yield Services(hold, disk)


def _disk(data: Path, needed: Sequence[str]) -> Disk | NoDisk:
    if "postgres" not in needed:
        return NoDisk("the database is not the ledger's own")
    try:
        return Disk.make(data)
    except NoDisk as why:
        return why


def _keep_logs(source: Path, target: Path) -> None:
    """From the disk that is about to go."""
    with contextlib.suppress(OSError):
        shutil.copytree(source, target, dirs_exist_ok=True)


def _settle_environment(data: Path, **urls: str) -> None:
    for name in list(os.environ):
        ours = name.startswith("EYE_") or name.removesuffix("_FILE") in NAMED
        if ours and name not in FOR_ALL:
            del os.environ[name]
    os.environ |= {name: url for name, url in urls.items() if url}
    os.environ |= {
        "EYE_DATA_DIR": str(data),
        "EYE_SECRET_KEY": "only for the ledger",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


@contextlib.contextmanager
def _database_of_its_own(url: str) -> Iterator[str]:
    """A new database on the server that the URL names, dropped in the end."""
    name = f"eye_ledger_{uuid4().hex[:12]}"
    try:
        server = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.Error as error:
        raise NotReady(f"The server that --database names does not let us in: {error}") from None
    server.autocommit = True
    with contextlib.closing(server), server.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield url.rpartition("/")[0] + f"/{name}"
        finally:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
