"""What the dashboard and the pages of the admin ask the database for, in bounded time.

The figures are remembered for a few seconds, so that many open pages ask no more than one does.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.utils.timezone import now

from tracking.models import Event, EventError, Session

LIVE_FOR = timedelta(minutes=5)
MINUTES = 60
FIGURES_SECONDS = 5
# A little less than the time between two polls of the dashboard.
MINUTES_SECONDS = 1.5
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Totals:
    """All events ever accepted, and what became of them: sent is the sum of the others."""

    sent: int
    stored: int
    duplicate: int
    rejected: int
    waiting: int


# One statement, so one snapshot: a batch is in the inbox or has its receipt, never both or neither.
TOTALS = """
SELECT digested.stored, digested.duplicate, digested.rejected,
       digested.set_aside + (SELECT coalesce(sum(n_events), 0) FROM tracking_batch)
  FROM (
    SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(duplicate), 0) AS duplicate,
           coalesce(sum(rejected), 0) AS rejected,
           coalesce(sum(events) FILTER (WHERE state = 'set_aside'), 0) AS set_aside
      FROM tracking_receipt
  ) AS digested
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The dashboard's numbers; the day's ones are of the last 24 hours."""

    day_stored: int
    day_rejected: int
    day_sessions: int
    active_sessions: int
    stale_reports: int
    waiting_events: int
    waiting_batches: int
    waiting_seconds: float
    set_aside_batches: int


FIGURES = """
WITH day AS (
    SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(rejected), 0) AS rejected
      FROM tracking_receipt WHERE received_at >= %(day)s
), inbox AS (
    SELECT coalesce(sum(n_events), 0) AS events, count(*) AS batches,
           coalesce(extract(epoch FROM now() - min(received_at)), 0) AS seconds
      FROM tracking_batch
)
SELECT day.stored, day.rejected,
       (SELECT count(*) FROM tracking_session WHERE last_at >= %(day)s),
       (SELECT count(*) FROM tracking_session WHERE last_at >= %(live)s),
       (SELECT count(*) FROM (
            SELECT 1 FROM tracking_session WHERE report_revision < revision LIMIT %(limit)s
        ) AS stale),
       inbox.events, inbox.batches, inbox.seconds,
       (SELECT count(*) FROM tracking_setasidebatch)
  FROM day, inbox
"""

# From receipts, which are per batch and in the order of their arrival, and not from events.
PER_MINUTE = """
SELECT extract(epoch FROM date_trunc('minute', received_at))::bigint,
       sum(stored), sum(duplicate), sum(rejected)
  FROM tracking_receipt WHERE received_at >= %(start)s GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Minute:
    start: int
    stored: int
    duplicate: int
    rejected: int


def totals() -> Totals:
    return remembered("totals", FIGURES_SECONDS, _totals)


def figures() -> Figures:
    return remembered("figures", FIGURES_SECONDS, _figures)


def minutes() -> list[Minute]:
    """The last hour, oldest first; the last minute is not over yet. Empty minutes are there too."""
    return remembered("minutes", MINUTES_SECONDS, _minutes)


def recent_sessions(limit: int) -> list[Session]:
    sessions = Session.objects.select_related("report").only(*SESSION_COLUMNS)
    return list(sessions.order_by(F("last_at").desc(nulls_last=True), "-pk")[:limit])


# What a list of sessions shows; a report's state and counts are too large for it.
SESSION_COLUMNS = (
    "id",
    "first_at",
    "last_at",
    "event_count",
    "error_count",
    "revision",
    "report_revision",
    "report__distance_px",
    "report__speed_p95",
)


def is_live(session: Session) -> bool:
    return session.last_at is not None and session.last_at >= now() - LIVE_FOR


def anything_arrived() -> bool:
    return Event.objects.exists() or EventError.objects.exists()


def remembered[T](name: str, seconds: float, ask: Callable[[], T]) -> T:
    """The answer of the last few seconds, or a new one. A cache that is away costs only time."""
    key = f"admin:{name}"
    try:
        answer = cache.get(key)
    except Exception:  # each cache library has errors of its own
        return ask()
    if answer is None:
        answer = ask()
        with suppress(Exception):
            cache.set(key, answer, seconds)
    return cast(T, answer)


def _totals() -> Totals:
    (row,) = _rows(TOTALS, {})
    stored, duplicate, rejected, waiting = map(int, row)
    return Totals(stored + duplicate + rejected + waiting, stored, duplicate, rejected, waiting)


def _figures() -> Figures:
    moment = now()
    parameters = {
        "day": moment - timedelta(days=1),
        "live": moment - LIVE_FOR,
        "limit": COUNT_LIMIT,
    }
    (row,) = _rows(FIGURES, parameters)
    return Figures(*map(int, row[:7]), float(row[7]), row[8])  # type: ignore[call-arg]


def _minutes() -> list[Minute]:
    first = now().replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    found = {row[0]: Minute(*map(int, row)) for row in _rows(PER_MINUTE, {"start": first})}
    starts = [int(_minute(first, place).timestamp()) for place in range(MINUTES)]
    return [found.get(start, Minute(start, 0, 0, 0)) for start in starts]


def _minute(first: datetime, place: int) -> datetime:
    return first + timedelta(minutes=place)


def _rows(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
