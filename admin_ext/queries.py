"""What the dashboard and the pages of the admin ask the database for, in bounded time.

The figures are remembered for a few seconds, so that many open pages ask no more than one does.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.utils.timezone import now

from reports import rollups
from reports.periods import DAY, MINUTE, Period, ceiled, floored
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


# One statement, so one snapshot, in which each event counts in one of these tables.
TOTALS = """
SELECT coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), coalesce(sum(rejected), 0),
       coalesce(sum(waiting), 0)
  FROM (
    SELECT stored, duplicate, rejected, 0 AS waiting
      FROM reports_rollup WHERE application_id IS NULL AND step = 'day'
     UNION ALL
    SELECT stored, duplicate, rejected, 0 FROM tracking_tally
     UNION ALL
    SELECT 0, 0, 0, n_events FROM tracking_batch
     UNION ALL
    SELECT 0, 0, 0, n_events FROM tracking_setasidebatch
  ) AS counted
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
    rollups_behind_seconds: float


FIGURES = """
WITH inbox AS (
    SELECT coalesce(sum(n_events), 0) AS events, count(*) AS batches,
           coalesce(extract(epoch FROM now() - min(received_at)), 0) AS seconds
      FROM tracking_batch
)
SELECT (SELECT count(*) FROM tracking_session WHERE last_at >= %(live)s),
       (SELECT count(*) FROM (
            SELECT 1 FROM tracking_session WHERE report_revision < revision LIMIT %(limit)s
        ) AS stale),
       inbox.events, inbox.batches, inbox.seconds,
       (SELECT count(*) FROM tracking_setasidebatch)
  FROM inbox
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
    (row,) = _rows(FIGURES, {"live": moment - LIVE_FOR, "limit": COUNT_LIMIT})
    active, stale, events, batches, seconds, set_aside = row
    start, end = floored(moment - DAY), ceiled(moment)
    before, day = rollups.latest([Period(rollups.BEGINNING, start), Period(start, end)])
    return Figures(
        day_stored=day.stored,
        day_rejected=day.rejected,
        day_sessions=before.sessions_started + day.sessions_started - before.sessions_ended,
        active_sessions=active,
        stale_reports=stale,
        waiting_events=int(events),
        waiting_batches=batches,
        waiting_seconds=float(seconds),
        set_aside_batches=set_aside,
        rollups_behind_seconds=rollups.behind_seconds(),
    )


def _minutes() -> list[Minute]:
    end = floored(now()) + MINUTE
    periods = [Period(end - (n + 1) * MINUTE, end - n * MINUTE) for n in reversed(range(MINUTES))]
    return [
        Minute(int(period.start.timestamp()), found.stored, found.duplicate, found.rejected)
        for period, found in zip(periods, rollups.latest(periods), strict=True)
    ]


def _rows(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
