"""PostgreSQL: gone, frozen, full, and what its administrators may do to it under load."""

import contextlib
import signal
import time
from collections.abc import Iterator
from random import Random

from django.db import Error, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from ledger import pids
from ledger.disk import NoDisk, fill
from ledger.faults.fault import Fault, a_while
from ledger.stage import Stage

# What the digest writes; the inbox itself stays as it is.
COLUMNS = (
    ("tracking_event", "data"),
    ("tracking_session", "event_count"),
    ("tracking_receipt", "stored"),
)
TRIES = 10
TERMINATE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name <> 'ledger'
"""


def _not_ours(stage: Stage) -> str:
    return "" if stage.services.own("postgres") else "the database is not the ledger's own"


def _no_disk(stage: Stage) -> str:
    return str(stage.services.disk) if isinstance(stage.services.disk, NoDisk) else ""


def stop_at_once(stage: Stage, dice: Random) -> None:
    """What `pg_ctl stop -m immediate` does; its keeper starts it again."""
    pids.send(signal.SIGQUIT, [stage.services.pid("postgres")])


def freeze(stage: Stage, dice: Random) -> None:
    """The server first, so that it starts no others meanwhile."""
    server = stage.services.pid("postgres")
    pids.send(signal.SIGSTOP, [server])
    frozen = pids.tree(server)
    pids.send(signal.SIGSTOP, frozen)
    try:
        time.sleep(a_while(dice))
    finally:
        pids.send(signal.SIGCONT, frozen)


def terminate_backends(stage: Stage, dice: Random) -> None:
    with _session() as session:
        _run(session, TERMINATE_OTHERS)


def exhaust_connections(stage: Stage, dice: Random) -> None:
    """Takes all that are free, then those that others had."""
    ends = time.monotonic() + a_while(dice)
    with contextlib.ExitStack() as held:
        first = held.enter_context(_session())
        while time.monotonic() < ends:
            try:
                held.enter_context(_session())
            except Error:
                _run(first, TERMINATE_OTHERS)
                time.sleep(0.05)


def rename_column(stage: Stage, dice: Random) -> None:
    """As by a deployment whose schema runs ahead of its code."""
    table, column = dice.choice(COLUMNS)
    rename = f'ALTER TABLE {table} RENAME COLUMN "{{}}" TO "{{}}"'
    with _session() as session:
        _insist(session, rename.format(column, f"{column} renamed"))
        try:
            time.sleep(a_while(dice))
        finally:
            _insist(session, rename.format(f"{column} renamed", column))


def read_only(stage: Stage, dice: Random) -> None:
    with _session() as session:
        _run(session, "ALTER SYSTEM SET default_transaction_read_only = on")
        _run(session, "SELECT pg_reload_conf()")
        try:
            time.sleep(a_while(dice))
        finally:
            _run(session, "ALTER SYSTEM RESET default_transaction_read_only")
            _run(session, "SELECT pg_reload_conf()")


def fill_disk(stage: Stage, dice: Random) -> None:
    """To the last block, and what is freed meanwhile too."""
    disk = stage.services.disk
    if isinstance(disk, NoDisk):
        raise disk
    ends = time.monotonic() + a_while(dice)
    with disk.ballast() as ballast:
        while time.monotonic() < ends:
            fill(ballast)
            time.sleep(0.1)


@contextlib.contextmanager
def _session() -> Iterator[BaseDatabaseWrapper]:
    session = connection.copy()
    with contextlib.closing(session):
        _run(session, "SET application_name = 'ledger'")
        yield session


def _run(session: BaseDatabaseWrapper, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def _insist(session: BaseDatabaseWrapper, statement: str) -> None:
    """A change of a table in use may have to give way a few times."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(OperationalError):
            return _run(session, statement)
    return _run(session, statement)


FAULTS = (
    Fault("PostgreSQL stopped at once", stop_at_once, _not_ours),
    Fault("PostgreSQL frozen", freeze, _not_ours),
    Fault("PostgreSQL's backends terminated", terminate_backends),
    Fault("connections exhausted", exhaust_connections, _not_ours),
    Fault("column renamed under load", rename_column),
    Fault("database made read-only", read_only, _not_ours),
    Fault("disk full", fill_disk, _no_disk),
)
