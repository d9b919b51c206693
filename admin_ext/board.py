"""What the dashboard says of an application and a period: counted once for all who look at it."""

from dataclasses import dataclass
from datetime import datetime

from celery import states
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from admin_ext import queries
from admin_ext.scope import Scope
from reports import heatmaps, rollups
from reports.heat import MOVE
from reports.heatmaps import Busy
from reports.periods import Period, floored
from reports.rollups import Overview
from tracking.models import Application

COUNT_LIMIT = 10_000
HEALTH_SECONDS = 4.0
# Which pages are the busiest changes slowly, and there may be many.
PAGES_SECONDS = 30.0
PAGES = 10

ACTIVE = """
SELECT count(*) FROM tracking_session AS session
 WHERE last_at >= %(since)s
   AND (%(application)s IS NULL OR EXISTS (
        SELECT FROM tracking_session_application
         WHERE session_id = session.id AND application_id = %(application)s))
"""
HEALTH = """
WITH inbox AS (
    SELECT coalesce(sum(n_events), 0) AS events, count(*) AS batches,
           coalesce(extract(epoch FROM now() - min(received_at)), 0) AS seconds
      FROM tracking_batch
)
SELECT inbox.events, inbox.batches, inbox.seconds,
       (SELECT count(*) FROM tracking_setasidebatch),
       (SELECT count(*) FROM (
            SELECT 1 FROM tracking_session WHERE report_revision < revision LIMIT %(limit)s
        ) AS stale)
  FROM inbox
"""


@dataclass(frozen=True, slots=True)
class Active:
    """Sessions with an event in the last five minutes, and those active in the five before."""

    now: int
    before: int


@dataclass(frozen=True, slots=True)
class Health:
    """What waits to be worked on, now."""

    waiting_events: int
    waiting_batches: int
    waiting_seconds: float
    set_aside_batches: int
    stale_reports: int
    rollups_behind_seconds: float


@dataclass(frozen=True, slots=True)
class Board:
    """It is drawn with the scope that it was counted in: that of the next request may be a later one."""

    scope: Scope
    overview: Overview
    active: Active
    pages: list[Busy]
    failed_tasks: int


def board_of(scope: Scope) -> Board:
    return queries.remembered(f"board:{scope.key}", scope.fresh_seconds, lambda: _board(scope))


def health() -> Health:
    return queries.remembered("health", HEALTH_SECONDS, _health)


def _board(scope: Scope) -> Board:
    return Board(
        scope,
        rollups.overview(scope.application, scope.before, scope.period, scope.buckets),
        _active(scope.application),
        queries.remembered(f"pages:{scope.key}", PAGES_SECONDS, lambda: _pages(scope)),
        _failed_tasks(scope.period),
    )


def _active(application: int | None) -> Active:
    moment = now()
    since = moment - queries.LIVE_FOR
    ((found,),) = queries.rows(ACTIVE, {"since": since, "application": application})
    end = floored(since)
    return Active(found, _active_between(application, end - queries.LIVE_FOR, end))


def _active_between(application: int | None, start: datetime, end: datetime) -> int:
    """Those that started before the end, less those that ended before the start."""
    until = [Period(rollups.BEGINNING, start), Period(rollups.BEGINNING, end)]
    before, all_of_it = rollups.latest(application, until)
    return all_of_it.sessions_started - before.sessions_ended


def _pages(scope: Scope) -> list[Busy]:
    every = Application.objects.values_list("pk", flat=True)
    ids = [*every] if scope.application is None else [scope.application]
    return heatmaps.busiest(ids, MOVE, heatmaps.whole_hours(*scope.period), PAGES)


def _failed_tasks(period: Period) -> int:
    failed = TaskResult.objects.filter(
        status=states.FAILURE, date_done__gte=period.start, date_done__lt=period.end
    )
    return int(failed[:COUNT_LIMIT].count())


def _health() -> Health:
    (row,) = queries.rows(HEALTH, {"limit": COUNT_LIMIT})
    events, batches, seconds, set_aside, stale = row
    return Health(int(events), batches, float(seconds), set_aside, stale, rollups.behind_seconds())
