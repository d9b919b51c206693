"""The dashboard's key figures, each with its change against the period before."""

from dataclasses import dataclass

from django_celery_results.models import TaskResult

from admin_ext import display
from admin_ext.board import COUNT_LIMIT, Board, Health
from admin_ext.links import Links
from reports.models import SessionReport
from reports.rollups import Totals
from tracking.models import Batch, Event, Session, SetAsideBatch

# A change of less than this is none.
PERCENT = 0.5
POINTS = 0.05
# From here on a number is told in millions, with all its digits on hover.
MILLION = 1_000_000
LONG = 10 * MILLION
# How many seconds the inbox may be behind before it is a matter of concern, or of alarm.
SLOW_SECONDS, STUCK_SECONDS = 10.0, 60.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, its change, and the list behind it. The tone is good, bad or nothing."""

    name: str
    title: str
    value: str
    unit: str = ""
    note: str = ""
    exact: str = ""
    tone: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """How one part of the service is; the kind is that of a badge."""

    name: str
    title: str
    value: str
    note: str
    kind: str
    url: str


def key_figures(board: Board, links: Links) -> list[Figure]:
    period, before = board.overview.period, board.overview.before
    # What the rest of a period will bring is in the one before it already.
    so_far = board.scope.elapsed
    stored = _change(period.stored, before.stored * so_far, before.stored)
    distance = _change(period.distance_px, before.distance_px * so_far, before.distance_px)
    reports = links.of(SessionReport)
    return [
        Figure("events", "Events", *_count(period.stored), stored, url=links.of(Event)),
        Figure(
            "sessions",
            "Sessions",
            *_count(period.active_sessions),
            _change(
                period.active_sessions, before.active_sessions * so_far, before.active_sessions
            ),
            url=links.of(Session),
        ),
        Figure(
            "active",
            "Active now",
            *_count(board.active.now),
            _change(board.active.now, board.active.before),
            "in the last five minutes, against the five before them",
            url=links.live(),
        ),
        _error_share(period, before, links),
        Figure(
            "distance",
            "Distance",
            *_count(period.distance_px, "px"),
            distance,
            f"{period.distance_px:,.0f} px",
            url=reports,
        ),
        Figure(
            "speed",
            "p95 speed",
            display.EMPTY if period.speed_p95 is None else f"{period.speed_p95:,.0f}",
            "px/s",
            "" if period.speed_p95 is None else _change(period.speed_p95, before.speed_p95 or 0),
            url=reports,
        ),
    ]


def _error_share(period: Totals, before: Totals, links: Links) -> Figure:
    share = _share(period)
    note, tone = _share_change(share, _share(before))
    return Figure(
        "errors",
        "Error share",
        display.EMPTY if share is None else f"{share:.1f}",
        "%",
        note,
        f"{period.rejected:,} of {period.sent:,} events were rejected",
        tone,
        links.errors(),
    )


def _share_change(share: float | None, earlier: float | None) -> tuple[str, str]:
    """In words, and its tone."""
    if share is None or earlier is None:
        return ("none before" if earlier is None else ""), ""
    points = share - earlier
    if abs(points) < POINTS:
        return f"as before: {earlier:.1f} %", ""
    return f"{_signed(points, 1)} from {earlier:.1f} %", "bad" if points > 0 else "good"


def _share(totals: Totals) -> float | None:
    """Of what was sent, how much was rejected, in percent."""
    return 100 * totals.rejected / totals.sent if totals.sent else None


def _count(value: float, unit: str = "", most: float = LONG) -> tuple[str, str]:
    if value < most:
        return f"{value:,.0f}", unit
    return f"{value / MILLION:,.1f}", f"M {unit}".strip()


def _change(value: float, expected: float, before: float | None = None) -> str:
    """In words; `expected` is so much of what was before as can be there already."""
    if not expected:
        return "none before" if value else "none, as before"
    percent = 100 * (value / expected - 1)
    amount = " ".join(_count(expected if before is None else before, most=MILLION)).strip()
    if abs(percent) < PERCENT:
        return f"as before: {amount}"
    return f"{_signed(percent, 0)} % from {amount}"


def _signed(value: float, digits: int) -> str:
    return f"{value:+,.{digits}f}".replace("-", "−")


def signs(health: Health, failed_tasks: int, links: Links) -> list[Sign]:
    """What is behind, and what failed."""
    behind, waiting = health.rollups_behind_seconds, health.waiting_seconds
    batches, stale = health.set_aside_batches, health.stale_reports
    return [
        Sign(
            "inbox",
            "Inbox",
            f"{health.waiting_events:,} waiting" if health.waiting_batches else "empty",
            f"oldest {_seconds(waiting)}" if health.waiting_batches else "",
            _lateness(waiting),
            links.now(Batch),
        ),
        Sign(
            "set_aside",
            "Set aside",
            f"{batches:,} batch{'' if batches == 1 else 'es'}" if batches else "none",
            "to be looked at and replayed" if batches else "",
            "warning" if batches else "success",
            links.now(SetAsideBatch),
        ),
        Sign(
            "reports",
            "Reports",
            f"{_bounded(stale)} to be built" if stale else "up to date",
            "",
            "info" if stale else "success",
            links.now(Session, report="stale"),
        ),
        Sign(
            "rollups",
            "Rollups",
            f"{_seconds(behind)} behind" if behind else "up to date",
            "this page counts what waits" if behind else "",
            _lateness(behind),
            "",
        ),
        Sign(
            "tasks",
            "Tasks",
            f"{_bounded(failed_tasks)} failed" if failed_tasks else "none failed",
            "in this period",
            "danger" if failed_tasks else "success",
            links.of(TaskResult, status="FAILURE"),
        ),
    ]


def _lateness(seconds: float) -> str:
    if seconds <= SLOW_SECONDS:
        return "success"
    return "warning" if seconds <= STUCK_SECONDS else "danger"


def _seconds(seconds: float) -> str:
    return display.duration(seconds * display.MILLISECONDS_A_SECOND)


def _bounded(count: int) -> str:
    return f"{count:,}" if count < COUNT_LIMIT else f"over {count - 1:,}"
