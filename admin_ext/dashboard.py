"""The admin's first page: the main numbers, the last hour minute by minute, the latest sessions."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.generic import View

from admin_ext import display, queries
from tracking.models import Session

PERMISSIONS = ("tracking.view_session", "tracking.view_receipt", "reports.view_sessionreport")
RECENT_SESSIONS = 8
# As old as a change to the rollups becomes where a nudge is lost.
BEHIND_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, what it is of, and the list behind it."""

    name: str
    title: str
    value: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class RecentSession:
    session: Session

    @property
    def url(self) -> str:
        return reverse("admin:tracking_session_change", args=[self.session.pk])

    @property
    def id(self) -> SafeString:
        return display.short_id(self.session.pk)

    @property
    def live(self) -> bool:
        return queries.is_live(self.session)

    @property
    def last_at(self) -> SafeString | str:
        return display.moment(self.session.last_at)

    @property
    def distance(self) -> SafeString | str:
        return display.number(display.value_of(self.session, "report.distance_px"), "px")

    @property
    def p95_speed(self) -> SafeString | str:
        return display.number(display.value_of(self.session, "report.speed_p95"), "px/s")


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What Unfold asks for the index page. Who may not see the numbers gets none."""
    if not request.user.has_perms(PERMISSIONS):
        return {**context, "may_see": False}
    origin = f"{request.scheme}://{request.get_host()}"
    return {
        **context,
        "may_see": True,
        "empty": not queries.anything_arrived(),
        "figures": shown(queries.figures()),
        "totals": queries.totals(),
        "recent": list(map(RecentSession, queries.recent_sessions(RECENT_SESSIONS))),
        "sessions_url": reverse("admin:tracking_session_changelist"),
        "data_url": reverse("admin:eye_dashboard_data"),
        "origin": origin,
    }


class DashboardData(PermissionRequiredMixin, View):
    """The numbers and the chart of the dashboard, for its next poll."""

    permission_required = PERMISSIONS
    admin_site: Any = None

    def get(self, request: HttpRequest) -> JsonResponse:
        figures = queries.figures()
        return JsonResponse(
            {
                "figures": {
                    figure.name: {"value": figure.value, "note": figure.note}
                    for figure in shown(figures)
                },
                "behind": _behind(figures),
                "totals": asdict(queries.totals()),
                "minutes": [asdict(minute) for minute in queries.minutes()],
            }
        )


def shown(figures: queries.Figures) -> list[Figure]:
    sessions = reverse("admin:tracking_session_changelist")
    return [
        Figure(
            "events",
            "Events",
            f"{figures.day_stored:,}",
            "stored in 24 h",
            reverse("admin:tracking_event_changelist", query={"period": "24h"}),
        ),
        Figure(
            "sessions", "Sessions", f"{figures.day_sessions:,}", "in 24 h", f"{sessions}?period=24h"
        ),
        Figure(
            "active", "Active now", f"{figures.active_sessions:,}", "in the last 5 min", sessions
        ),
        Figure(
            "errors",
            "Rejected",
            f"{figures.day_rejected:,}",
            "events in 24 h",
            reverse("admin:tracking_eventerror_changelist"),
        ),
        Figure(
            "waiting",
            "Waiting",
            f"{figures.waiting_events:,}",
            _waiting_note(figures),
            reverse("admin:tracking_batch_changelist"),
        ),
        Figure(
            "stale",
            "Stale reports",
            _bounded(figures.stale_reports),
            "to be built",
            f"{sessions}?report=stale",
        ),
    ]


def _waiting_note(figures: queries.Figures) -> str:
    if figures.waiting_batches:
        return f"oldest {display.elapsed(timedelta(seconds=figures.waiting_seconds))}"
    aside = figures.set_aside_batches
    return f"{aside:,} set aside" if aside else "inbox is empty"


def _behind(figures: queries.Figures) -> str:
    behind = figures.rollups_behind_seconds
    return display.elapsed(timedelta(seconds=behind)) if behind > BEHIND_SECONDS else ""


def _bounded(count: int) -> str:
    return f"{count:,}" if count < queries.COUNT_LIMIT else f"over {count - 1:,}"
