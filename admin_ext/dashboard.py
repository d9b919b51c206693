"""The admin's first page: what happens in a period, of one application or of all of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import Http404, HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django.views.generic import View

from admin_ext import display, queries
from admin_ext.board import Board, board_of, health
from admin_ext.figures import key_figures, signs
from admin_ext.links import Links
from admin_ext.scope import DEFAULT, Scope, application_of, named, scope_of
from admin_ext.spans import PERIODS, BadPeriod
from admin_ext.zones import zone_of
from reports.rollups import Counts
from tracking.models import Application, Event, Session

PERMISSIONS = ("tracking.view_session", "tracking.view_receipt", "reports.view_sessionreport")
RECENT_SESSIONS = 8
LONGEST_LIST = 8
# As old as a change to the rollups becomes where a nudge is lost.
BEHIND_SECONDS = 10
LABEL = 80
# What kinds are called for which the rollups have no room.
OTHERS = "all others"


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
    scope, problem = _scope_or_problem(request)
    names = dict(Application.objects.order_by("name").values_list("pk", "name"))
    board = board_of(scope)
    links = Links(request.user, board.scope)
    data = _data(board, links, names)
    origin = f"{request.scheme}://{request.get_host()}"
    return {
        **context,
        "may_see": True,
        "scope": board.scope,
        "problem": problem,
        "periods": {name: label for name, (label, _) in PERIODS.items()},
        "applications": {id: display.visible(display.shorten(n, 60)) for id, n in names.items()},
        "empty": not queries.anything_arrived(),
        "figures": data["figures"],
        "signs": data["signs"],
        "totals": data["totals"],
        **_recent(scope, links),
        "data_url": reverse("admin:eye_dashboard_data", query=scope.query),
        "data": data,
        "origin": origin,
    }


class DashboardData(PermissionRequiredMixin, View):
    """All that the dashboard shows of its scope, for its next poll."""

    permission_required = PERMISSIONS
    admin_site: Any = None

    def get(self, request: HttpRequest) -> JsonResponse:
        try:
            scope = _scope(request)
        except BadPeriod as problem:
            return JsonResponse({"problem": str(problem)}, status=400)
        names = dict(Application.objects.values_list("pk", "name"))
        board = board_of(scope)
        links = Links(request.user, board.scope)
        recent = render_to_string("admin/eye/dashboard_sessions.html", _recent(scope, links))
        return JsonResponse({**_data(board, links, names), "recent": recent})


def _recent(scope: Scope, links: Links) -> dict[str, Any]:
    """What the latest sessions are drawn of."""
    sessions = queries.recent_sessions(RECENT_SESSIONS, scope.application)
    return {
        "recent": [RecentSession(session) for session in sessions],
        "sessions_url": links.now(Session),
    }


def _scope(request: HttpRequest) -> Scope:
    try:
        return scope_of(request.GET, zone_of(request), now())
    except Application.DoesNotExist:
        raise Http404("There is no such application.") from None


def _scope_or_problem(request: HttpRequest) -> tuple[Scope, str]:
    """Where the address names no period that can be, the usual one, and what is wrong."""
    try:
        return _scope(request), ""
    except BadPeriod as problem:
        application = application_of(request.GET.get("application", ""))
        return named(application, DEFAULT, zone_of(request), now()), str(problem)


def _data(board: Board, links: Links, names: dict[int, str]) -> dict[str, Any]:
    scope, now_health = board.scope, health()
    return {
        "poll_ms": 1000 * scope.poll_seconds,
        "live": scope.live,
        "now": scope.now.timestamp(),
        "from": scope.period.start.timestamp(),
        "to": scope.period.end.timestamp(),
        "behind": _behind(now_health.rollups_behind_seconds),
        "figures": [asdict(figure) for figure in key_figures(board, links)],
        "signs": [asdict(sign) for sign in signs(now_health, board.failed_tasks, links)],
        "totals": asdict(queries.totals()),
        "bucket_seconds": scope.bucket.total_seconds(),
        "buckets": list(_buckets(board)),
        "lists": {
            "errors": _errors(board, links),
            "categories": _categories(board, links),
            "names": _names(board, links),
            "pages": _pages(board, links, names),
        },
    }


def _buckets(board: Board) -> Iterable[dict[str, float]]:
    """The sessions of each are those active in it, wherever they began."""
    period = board.overview.period
    going_on = period.active_sessions - period.sessions_started
    for span, counts in zip(board.scope.buckets, board.overview.buckets, strict=True):
        yield {
            "start": span.start.timestamp(),
            "sessions": going_on + counts.sessions_started,
            **_shown(counts),
        }
        going_on += counts.sessions_started - counts.sessions_ended


def _shown(counts: Counts) -> dict[str, float]:
    return {
        "stored": counts.stored,
        "duplicate": counts.duplicate,
        "rejected": counts.rejected,
        "distance": round(counts.distance_px),
        "moving": round(counts.moving_ms / 1000, 1),
    }


def _row(label: str, count: int, url: str, note: str = "") -> dict[str, Any]:
    """Foreign text has its invisible marks written out; the page sets it as text."""
    return {
        "label": display.visible(display.shorten(label, LABEL)),
        "note": display.visible(display.shorten(note, LABEL)),
        "count": count,
        "url": url,
    }


def _errors(board: Board, links: Links) -> list[dict[str, Any]]:
    codes = sorted(board.overview.period.errors.items(), key=lambda item: (-item[1], item[0]))
    return [
        _row(code, count, links.errors(code=code)) for code, count in codes[:LONGEST_LIST] if count
    ]


def _categories(board: Board, links: Links) -> list[dict[str, Any]]:
    found: Counter[str] = Counter()
    for (category, _), count in board.overview.kinds.items():
        found[category] += count
    return [
        _row(category, count, links.of(Event, category=category))
        if category
        else _row(OTHERS, count, links.of(Event))
        for category, count in found.most_common(LONGEST_LIST)
    ]


def _names(board: Board, links: Links) -> list[dict[str, Any]]:
    return [
        _row(name, count, links.of(Event, category=category, name=name), category)
        if category
        else _row(OTHERS, count, links.of(Event))
        for (category, name), count in board.overview.kinds.most_common(LONGEST_LIST)
    ]


def _pages(board: Board, links: Links, names: dict[int, str]) -> list[dict[str, Any]]:
    every = links.scope.application is None
    return [
        _row(
            busy.page,
            busy.total,
            links.of(Event, application=busy.application_id, category="pointer"),
            names.get(busy.application_id, "") if every and len(names) > 1 else "",
        )
        for busy in board.pages[:LONGEST_LIST]
    ]


def _behind(seconds: float) -> str:
    return display.elapsed(timedelta(seconds=seconds)) if seconds > BEHIND_SECONDS else ""
