"""Advisory locks: each is held to the end of the running transaction."""

from collections.abc import Collection
from typing import cast
from uuid import UUID

from django.db import connection

PARTITIONS = 0x45594501
TOMBSTONES = 0x45594502
REPROCESSING = 0x45594503
RETENTION = 0x45594504
LONG_FOLD = 0x45594505
ROLLUPS = 0x45594506


def partitions() -> None:
    """Only one process at a time makes partitions, or drops them."""
    _lock("pg_advisory_xact_lock(%s)", PARTITIONS)


# Many may store at once. While any does, no tombstone is placed: see tombstones.py.
BEFORE_STORING = f"SELECT pg_advisory_xact_lock_shared({TOMBSTONES});"


def before_storing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(BEFORE_STORING)


def before_burying() -> None:
    """Waits until nobody stores."""
    _lock("pg_advisory_xact_lock(%s)", TOMBSTONES)


def reprocessing() -> None:
    """One at a time: two would meet at the same receipts in another order."""
    _lock("pg_advisory_xact_lock(%s)", REPROCESSING)


def try_retention() -> bool:
    """Whether nobody else deletes what is kept no longer."""
    return _lock("pg_try_advisory_xact_lock(%s)", RETENTION) is True


def try_rollups() -> bool:
    """Whether nobody else adds to the rollups."""
    return _lock("pg_try_advisory_xact_lock(%s)", ROLLUPS) is True


def try_long_fold() -> bool:
    """Whether nobody else folds very many events at once."""
    return _lock("pg_try_advisory_xact_lock(%s)", LONG_FOLD) is True


def session(session_id: UUID) -> None:
    """Waits until nobody else builds this session's report or erases it."""
    _lock("pg_advisory_xact_lock(hashtextextended(%s, 0))", str(session_id))


def try_sessions(session_ids: Collection[UUID]) -> list[UUID]:
    """The same without waiting, for several: those whose lock was free."""
    free = "pg_try_advisory_xact_lock(hashtextextended(id::text, 0))"
    call = f"array(SELECT id FROM unnest(%s::uuid[]) AS session(id) WHERE {free})"
    return cast("list[UUID]", _lock(call, list(session_ids)))


def sessions(session_ids: Collection[UUID]) -> None:
    """The same as `session` for each of these; PostgreSQL has room for some thousand."""
    each = "pg_advisory_xact_lock(hashtextextended(id::text, 0))"
    _lock(f"count({each}) FROM unnest(%s::uuid[]) AS session(id)", list(session_ids))


def try_work(name: str) -> bool:
    """Whether nobody else does the work of this name, which holds up nothing else."""
    return _lock("pg_try_advisory_xact_lock(hashtextextended(%s, 0))", name) is True


def _lock(call: str, key: int | str | list[UUID]) -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}", [key])
        return cursor.fetchone()[0]
