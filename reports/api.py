import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery.result import AsyncResult
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import shapes
from reports.builder import EventsExpired, refuse_expired
from reports.fold import Metrics
from reports.models import PointerSecond, SessionReport
from reports.tasks import ask_to_recompute
from reports.watching import PERMISSION, WatcherAuthentication
from tracking.api.auth import (
    KeyAuthentication,
    Reader,
    SessionTokenAuthentication,
    check_may_see,
)
from tracking.api.changes import actor_of
from tracking.api.errors import ApiError
from tracking.api.openapi import ANY_KEY, MORE_ERRORS
from tracking.api.points import accept_points
from tracking.api.sending import TakesPosts, sender
from tracking.api.shapes import ACCEPTED, POINTS, QUEUED
from tracking.api.views import session_or_404
from tracking.nudge import BrokerAway

SINCE = OpenApiParameter(
    "since",
    {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    description="A `cursor` from an earlier answer: only what changed since.",
)
# The longest series that one answer holds, an hour of movement: of a longer one, the latest.
SECONDS_AT_ONCE = 3_600
SECOND = timedelta(seconds=1)
SECONDS = OpenApiParameter(
    "seconds",
    {"type": "integer", "minimum": 1, "maximum": SECONDS_AT_ONCE},
    description="The last so many seconds up to the session's last event, summed up; `since` then "
    "does not matter.",
)


class ReportView(APIView):
    """All that was computed about a session, and whether it is of the newest events."""

    staff_permission = "reports.view_sessionreport"

    @extend_schema(
        operation_id="getReport", summary="A session's report", responses={200: shapes.REPORT}
    )
    def get(self, request: Request, id: UUID) -> Response:
        session_or_404(request, id)
        report = (
            SessionReport.objects.defer("state").select_related("session").filter(pk=id).first()
        )
        if report is None:
            raise ApiError("not_found", "This session has no report yet; it is being built.")
        return Response(
            {
                "session": id,
                "revision": report.revision,
                "stale": report.stale,
                "final": report.final,
                "computed_at": report.computed_at,
                **{name: getattr(report, name) for name in Metrics.__struct_fields__},
            }
        )


class PointerView(TakesPosts):
    """A session's pointer second by second: `?since=` a cursor gives only what changed.

    `?seconds=` sums up the last so many seconds; POST adds points.
    """

    staff_permission = {"GET": PERMISSION}
    authentication_classes = (KeyAuthentication, SessionTokenAuthentication, WatcherAuthentication)

    @extend_schema(
        operation_id="sendPoints",
        summary="Send points of the pointer",
        description="Each point is a pointer/move event of the session; sent again, it is a "
        "duplicate. All of them are kept, or, where one is wrong, none.",
        request={"application/json": POINTS},
        responses={202: ACCEPTED},
        auth=ANY_KEY,
        extensions={MORE_ERRORS: [429]},
    )
    def post(self, request: Request, id: UUID) -> HttpResponse:
        return accept_points(request._request, sender(request), id)

    @extend_schema(
        operation_id="getPointer",
        summary="A session's pointer, second by second",
        parameters=[SINCE, SECONDS],
        responses={
            200: {"oneOf": [shapes.SERIES, shapes.WINDOW]},
            304: OpenApiResponse(description="Nothing has changed since that ETag."),
        },
    )
    def get(self, request: Request, id: UUID) -> HttpResponse:
        check_may_see(request, id)
        seconds = seconds_of(request)
        since = cursor_of(request)
        report = SessionReport.objects.only(*CURSOR_COLUMNS).filter(pk=id).first()
        if report is None and not is_own_page(request, id):
            session_or_404(request, id)
        if seconds is not None:
            return Response({"session": id, **window(report, seconds)})
        etag = etag_of(report)
        if same := get_conditional_response(request._request, etag=etag):
            same.headers["ETag"] = etag
            return same
        answer = series(report, since) if report else NOTHING_YET
        return Response({"session": id, **answer}, headers={"ETag": etag})


def is_own_page(request: Request, id: UUID) -> bool:
    """Whether this is the page that captures the session: it may ask before the first event."""
    return isinstance(request.user, Reader) and request.user.session_id == id


def etag_of(report: SessionReport | None) -> str:
    """The same after every cursor: whoever has this build has all there is."""
    return f'"{report.build}"' if report else '"0"'


CURSOR_COLUMNS = ("build", "anew_build", "computed_at", "data_until")
NOTHING_YET: dict[str, Any] = {
    "cursor": 0,
    "reset": False,
    "computed_at": None,
    "data_until": None,
    "complete": True,
    "seconds": [],
}


def series(report: SessionReport, since: int) -> dict[str, Any]:
    """The seconds written after build `since`, or, where some may be gone, all of them anew."""
    reset = not report.anew_build <= since <= report.build
    changed = PointerSecond.objects.filter(session_id=report.pk, build__gt=0 if reset else since)
    latest = list(changed.order_by("-second")[: SECONDS_AT_ONCE + 1])
    complete = len(latest) <= SECONDS_AT_ONCE
    return {
        "cursor": report.build,
        "reset": reset,
        "computed_at": report.computed_at,
        "data_until": report.data_until,
        "complete": complete,
        "seconds": [second_of(row) for row in reversed(latest[:SECONDS_AT_ONCE])],
    }


def second_of(row: PointerSecond) -> dict[str, Any]:
    return {
        "second": row.second,
        "distance_px": row.distance_px,
        "moving_ms": row.moving_ms,
        "mean_speed": row.distance_px / row.moving_ms * 1000 if row.moving_ms else None,
        "peak_speed": row.peak_speed,
        "samples": row.samples,
    }


def cursor_of(request: Request) -> int:
    text = request.query_params.get("since", "0")
    if not text.isdecimal() or len(text) > 18:
        raise ApiError("bad_request", "since must be a cursor from an earlier answer.", "since")
    return int(text)


def seconds_of(request: Request) -> int | None:
    text = request.query_params.get("seconds")
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= SECONDS_AT_ONCE:
        message = f"seconds: a whole number from 1 to {SECONDS_AT_ONCE:,} is needed."
        raise ApiError("bad_value", message, "seconds")
    return int(text)


def window(report: SessionReport | None, seconds: int) -> dict[str, Any]:
    """The last so many whole seconds up to the one of the session's last event or sample.

    `to` is the end of that second, so that a session that has ended keeps its last seconds.
    distance_px in px, moving_ms in ms, speeds in px/s: mean_speed over the time in which the
    pointer moved, peak_speed the largest of one interval; both None where it did not move.
    """
    rows: list[PointerSecond] = []
    until = report.data_until if report else None
    end = until.replace(microsecond=0) + SECOND if until else None
    start = end - seconds * SECOND if end else None
    if report and end:
        there = PointerSecond.objects.filter(session_id=report.pk, second__lt=end)
        rows = list(there.filter(second__gte=start).order_by("second"))
    return {
        "from": start,
        "to": end,
        "data_until": until,
        **sums(rows),
        "seconds": [*map(second_of, rows)],
    }


def sums(rows: list[PointerSecond]) -> dict[str, Any]:
    distance = sum(row.distance_px for row in rows)
    moving = sum(row.moving_ms for row in rows)
    return {
        "distance_px": distance,
        "moving_ms": moving,
        "mean_speed": distance / moving * 1000 if moving else None,
        "peak_speed": max((row.peak_speed for row in rows if row.peak_speed), default=None),
        "samples": sum(row.samples for row in rows),
    }


class RecomputeView(APIView):
    """Folds a session anew, in a task whose id this answers."""

    staff_permission = "reports.recompute_sessionreport"

    @extend_schema(
        operation_id="recomputeReport",
        summary="Compute a report anew",
        request=None,
        responses={202: QUEUED},
        extensions={MORE_ERRORS: [409]},
    )
    def post(self, request: Request, id: UUID) -> Response:
        if isinstance(request.user, Reader) and request.user.caller is None:
            raise ApiError("forbidden")
        session_or_404(request, id)
        try:
            refuse_expired(id)
        except EventsExpired:
            raise ApiError("events_expired") from None
        try:
            task = ask_to_recompute(id, actor_of(request))
        except BrokerAway:
            raise ApiError("unavailable", "The task queue is away. Try again.") from None
        return Response({"task": task}, status=202)


class TaskView(APIView):
    """The state of a task that the API started: pending, started, retry, success or failure."""

    staff_permission = "django_celery_results.view_taskresult"

    @extend_schema(
        operation_id="getTask", summary="What became of a task", responses={200: shapes.TASK}
    )
    def get(self, request: Request, id: UUID) -> Response:
        if isinstance(request.user, Reader) and request.user.caller is None:
            raise ApiError("forbidden")
        task: AsyncResult[Any] = AsyncResult(str(id))
        state, result = task.state, task.result
        if state == "SUCCESS" and isinstance(result, dict) and "session" in result:
            check_may_see(request, UUID(result["session"]))
        return Response(
            {
                "task": id,
                "state": state.lower(),
                "result": result if state == "SUCCESS" else None,
                # The kind alone: a message may carry somebody's data.
                "error": type(result).__name__ if state == "FAILURE" else None,
            }
        )
