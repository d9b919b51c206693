"""Clearing the history of tasks, slice by slice: the library deletes all of it in one transaction."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic

from django.db import connection, transaction

from admin_ext.models import Worker

KEPT = timedelta(days=30)
WORKERS_KEPT = timedelta(days=1)
SLICE = 5_000
# One run does not hold its worker for longer than this.
LONGEST_RUN_SECONDS = 300.0

TABLES = {
    "tasks": "django_celery_results_taskresult",
    "groups": "django_celery_results_groupresult",
}
# What a crash loses of this, the next run deletes. The oldest come by the index on date_done.
LIMITS = """
SET LOCAL synchronous_commit = off;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '60s'
"""
DELETE = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM {table} WHERE date_done < %(before)s
     ORDER BY date_done LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""


def clear(moment: datetime) -> dict[str, int | bool]:
    """Deletes what is older than 30 days at `moment`; `done` is false where time was too short."""
    ends = monotonic() + LONGEST_RUN_SECONDS
    deleted: dict[str, int | bool] = {}
    for name, table in TABLES.items():
        deleted[name] = sum(_slices(table, moment - KEPT, ends))
    deleted["workers"], _ = Worker.objects.filter(beat_at__lt=moment - WORKERS_KEPT).delete()
    return deleted | {"done": monotonic() < ends}


def _slices(table: str, before: datetime, ends: float) -> Iterator[int]:
    while monotonic() < ends and (deleted := _delete(table, before)):
        yield deleted


def _delete(table: str, before: datetime) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LIMITS)
        cursor.execute(DELETE.format(table=table), {"before": before, "limit": SLICE})
        return int(cursor.rowcount)
