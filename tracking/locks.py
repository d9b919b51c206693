"""Advisory locks: each is held to the end of the running transaction."""

from uuid import UUID

from django.db import connection

PARTITIONS = 0x45594501
TOMBSTONES = 0x45594502
REPROCESSING = 0x45594503


def partitions() -> None:
    """Only one process at a time makes partitions."""
    _lock("pg_advisory_xact_lock(%s)", PARTITIONS)


def before_storing() -> None:
    """Many may store at once. While any does, no tombstone is placed: see tombstones.py."""
    _lock("pg_advisory_xact_lock_shared(%s)", TOMBSTONES)


def before_burying() -> None:
    """Waits until nobody stores."""
    _lock("pg_advisory_xact_lock(%s)", TOMBSTONES)


def reprocessing() -> None:
    """One at a time: two would meet at the same receipts in another order."""
    _lock("pg_advisory_xact_lock(%s)", REPROCESSING)


def session(session_id: UUID) -> None:
    """Waits until nobody else builds this session's report or erases it."""
    _lock("pg_advisory_xact_lock(hashtextextended(%s, 0))", str(session_id))


def try_session(session_id: UUID) -> bool:
    """The same without waiting: whether the lock was free."""
    return _lock("pg_try_advisory_xact_lock(hashtextextended(%s, 0))", str(session_id)) is True


def _lock(call: str, key: int | str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}", [key])
        return cursor.fetchone()[0]
