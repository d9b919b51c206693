"""What several pages of the admin ask the database for, in bounded time.

Answers are remembered for a few seconds, so that many open pages ask no more than one does.
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

from tracking.models import Event, EventError, Session, SessionApplication

LIVE_FOR = timedelta(minutes=5)
TOTALS_SECONDS = 1.5
RECENT_SECONDS = 1.5


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


def totals() -> Totals:
    return remembered("totals", TOTALS_SECONDS, _totals)


def recent_sessions(limit: int, application: int | None) -> list[Session]:
    return remembered(
        f"recent:{limit}:{application}",
        RECENT_SECONDS,
        lambda: _recent_sessions(limit, application),
    )


def _recent_sessions(limit: int, application: int | None) -> list[Session]:
    sessions = Session.objects.select_related("report").only(*SESSION_COLUMNS)
    if application is not None:
        links = SessionApplication.objects.filter(application_id=application)
        sessions = sessions.filter(pk__in=links.values("session_id"))
    return list(sessions.order_by(F("last_at").desc(nulls_last=True), "-pk")[:limit])


# What a list of sessions shows; a report's state and counts are too large for it.
SESSION_COLUMNS = (
    "id",
    "first_at",
    "last_at",
    "event_count",
    "expired_events",
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
    (row,) = rows(TOTALS, {})
    stored, duplicate, rejected, waiting = map(int, row)
    return Totals(stored + duplicate + rejected + waiting, stored, duplicate, rejected, waiting)


def rows(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
