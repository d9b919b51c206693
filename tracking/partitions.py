"""The partitions of tracking_event: one a calendar month, and one for all time before the first.

Together they take an event of any time, so that no digest ever meets a hole: where months are
dropped, the one for old time reaches as far as they did.

They are made months ahead, by `CREATE TABLE (LIKE …)` and `ATTACH`, which lets reads and writes
go on; `PARTITION OF` would lock the whole table.
"""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection, transaction

from tracking import locks
from tracking.ids import first_id_at, timestamp_of

MONTHS_AHEAD = 3
OLD = "tracking_event_old"
NEXT_OLD = "tracking_event_next_old"
DETACHED = "tracking_event_detached_"
# A session may have very many events: of the index by sessions, so many entries are read at once.
ENTRIES = 50_000

# Whoever wants the table waits behind a lock on all of it that waits: it may do so for this long.
SHORT_PATIENCE = "SET LOCAL lock_timeout = '200ms'"
PATIENCE = "SET LOCAL lock_timeout = '2s'"


class Partition(NamedTuple):
    name: str
    end: datetime


def ensure_partitions(now: datetime) -> list[str]:
    """Makes what is missing up to `MONTHS_AHEAD` months after `now`; returns the names made.

    It goes on from the end of the last one, so that a long pause leaves no hole.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        locks.partitions()
        existing = _existing()
        made = [] if existing else [_make(OLD, None, _month(now, 0))]
        month = existing[-1].end if existing else _month(now, 0)
        while month <= _month(now, MONTHS_AHEAD):
            made.append(_make(f"tracking_event_y{month:%Ym%m}", month, _month(month, 1)))
            month = _month(month, 1)
        return made


def detach_past(before: datetime) -> list[str]:
    """Takes the partitions that ended by then out of the whole, with their events.

    They become tables of their own, whose names this gives; those of before must be dropped by now.
    A partition for old time that reaches to their end takes their place. DETACH CONCURRENTLY would
    lock less, but be in two transactions, with a hole between them. Here readers and digests wait
    for some hundredths of a second, and for as long as `SHORT_PATIENCE` where somebody reads on and
    on; then `OperationalError` says to try again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        locks.partitions()
        past = [partition for partition in _existing() if partition.end <= before]
        if not past or (len(past) == 1 and _is_empty(past[0])):  # the one for old time stays
            return []
        _create(NEXT_OLD)
        cursor.execute(SHORT_PATIENCE)
        # The whole before its parts, as all others do.
        cursor.execute("LOCK TABLE ONLY tracking_event IN ACCESS EXCLUSIVE MODE")
        for number, (name, _) in enumerate(past, 1):
            cursor.execute(f"ALTER TABLE tracking_event DETACH PARTITION {name}")
            cursor.execute(f"ALTER TABLE {name} RENAME TO {DETACHED}{number}")
            cursor.execute(f"COMMENT ON TABLE {DETACHED}{number} IS NULL")
        _attach(NEXT_OLD, None, past[-1].end)
        cursor.execute(f"ALTER TABLE {NEXT_OLD} RENAME TO {OLD}")
        return detached()


def detached() -> list[str]:
    """What was detached, and is not dropped yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables "
            "WHERE schemaname = current_schema() AND starts_with(tablename, %s) ORDER BY 1",
            [DETACHED],
        )
        return [name for (name,) in cursor.fetchall()]


def next_sessions(table: str, limit: int) -> list[UUID]:
    """Sessions that have events in a detached table, after the one that is noted on it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(%s::regclass, 'pg_class')", [table])
        (noted,) = cursor.fetchone()
        rest = "WHERE session_id > %s" if noted else ""
        entries = f"SELECT session_id FROM {table} {rest} ORDER BY session_id LIMIT {ENTRIES}"
        cursor.execute(
            f"SELECT DISTINCT session_id FROM ({entries}) AS entry ORDER BY 1 LIMIT {limit}",
            [noted] if noted else None,
        )
        return [session for (session,) in cursor.fetchall()]


def note(table: str, session: UUID) -> None:
    """Writes on a detached table how far it is done with."""
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON TABLE {table} IS '{session}'")


def drop(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {table}")


def _existing() -> list[Partition]:
    """In the order of time."""
    with connection.cursor() as cursor:
        cursor.execute(
            r"SELECT oid::regclass::text, substring(pg_get_expr(relpartbound, oid) "
            r"FROM 'TO \(''(.*)''\)')::uuid AS last "
            "FROM pg_class JOIN pg_inherits ON inhrelid = oid "
            "WHERE inhparent = 'tracking_event'::regclass ORDER BY last"
        )
        return [Partition(name, timestamp_of(last)) for name, last in cursor.fetchall() if last]


def _is_empty(partition: Partition) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT NOT EXISTS (SELECT FROM {partition.name})")
        return bool(cursor.fetchone()[0])


def _month(moment: datetime, ahead: int) -> datetime:
    years, month = divmod(moment.month - 1 + ahead, 12)
    return datetime(moment.year + years, month + 1, 1, tzinfo=UTC)


def _make(name: str, start: datetime | None, end: datetime) -> str:
    _create(name)
    _attach(name, start, end)
    return name


def _create(name: str) -> None:
    """With its indexes, so that they need not be made while it is attached."""
    parts = "DEFAULTS", "CONSTRAINTS", "INDEXES"
    including = " ".join(f"INCLUDING {part}" for part in parts)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (LIKE tracking_event {including})")


def _attach(name: str, start: datetime | None, end: datetime) -> None:
    lower = f"'{first_id_at(start)}'" if start else "MINVALUE"
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE tracking_event ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({lower}) TO ('{first_id_at(end)}')"
        )
