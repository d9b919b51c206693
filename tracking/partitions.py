"""The partitions of tracking_event: one a calendar month, and one for all time before the first.

They are made months ahead, by `CREATE TABLE (LIKE …)` and `ATTACH`, which lets reads and writes
go on; `PARTITION OF` would lock the whole table.
"""

from datetime import UTC, datetime

from django.db import connection, transaction

from tracking import locks
from tracking.ids import first_id_at

MONTHS_AHEAD = 3


def ensure_partitions(now: datetime) -> list[str]:
    """Makes what is missing up to `MONTHS_AHEAD` months after `now`; returns the names made."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        locks.partitions()
        existing = _existing()
        made = []
        if not existing:
            made.append(_attach("tracking_event_old", None, _month(now, 0)))
        for name, month in _missing(existing, now):
            made.append(_attach(name, month, _month(month, 1)))
        return made


def _existing() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits "
            "WHERE inhparent = 'tracking_event'::regclass ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def _missing(existing: list[str], now: datetime) -> list[tuple[str, datetime]]:
    """From the month after the newest partition on, so that a long pause leaves no hole."""
    months = sorted(name for name in existing if name != "tracking_event_old")
    newest = datetime.strptime(months[-1], "tracking_event_y%Ym%m") if months else None
    month = _month(newest, 1) if newest else _month(now, 0)
    missing = []
    while month <= _month(now, MONTHS_AHEAD):
        missing.append((month.strftime("tracking_event_y%Ym%m"), month))
        month = _month(month, 1)
    return missing


def _month(moment: datetime, ahead: int) -> datetime:
    years, month = divmod(moment.month - 1 + ahead, 12)
    return datetime(moment.year + years, month + 1, 1, tzinfo=UTC)


def _attach(name: str, start: datetime | None, end: datetime) -> str:
    lower = f"'{first_id_at(start)}'" if start else "MINVALUE"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} (LIKE tracking_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        )
        cursor.execute(
            f"ALTER TABLE tracking_event ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({lower}) TO ('{first_id_at(end)}')"
        )
    return name
