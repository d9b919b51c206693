from typing import Any
from uuid import UUID

from celery.result import AsyncResult
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports.fold import Metrics
from reports.models import PointerSecond, SessionReport
from reports.tasks import recompute
from tracking.api.auth import Reader, check_may_see
from tracking.api.errors import ApiError
from tracking.api.views import session_or_404
from tracking.nudge import BrokerAway, publish

# The longest series that one answer holds, an hour of movement: of a longer one, the latest.
SECONDS_AT_ONCE = 3_600


class ReportView(APIView):
    """All that was computed about a session, and whether it is of the newest events."""

    staff_permission = "reports.view_sessionreport"

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
                "computed_at": report.computed_at,
                **{name: getattr(report, name) for name in Metrics.__struct_fields__},
            }
        )


class PointerView(APIView):
    """A session's pointer second by second: `?since=` a cursor gives only what changed."""

    staff_permission = "reports.view_sessionreport"

    def get(self, request: Request, id: UUID) -> Response:
        if not (isinstance(request.user, Reader) and request.user.session_id == id):
            session_or_404(request, id)
        since = cursor_of(request)
        report = SessionReport.objects.only(*CURSOR_COLUMNS).filter(pk=id).first()
        etag = f'"{report.build if report else 0}.{since}"'
        if request.headers.get("If-None-Match") == etag:
            return Response(status=304, headers={"ETag": etag})
        answer = series(report, since) if report else NOTHING_YET
        return Response({"session": id, **answer}, headers={"ETag": etag})


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


class RecomputeView(APIView):
    """Folds a session anew, in a task whose id this answers."""

    staff_permission = "reports.recompute_sessionreport"

    def post(self, request: Request, id: UUID) -> Response:
        if isinstance(request.user, Reader) and request.user.caller is None:
            raise ApiError("forbidden")
        session_or_404(request, id)
        try:
            task = publish(recompute, str(id))
        except BrokerAway:
            raise ApiError("unavailable", "The task queue is away. Try again.") from None
        return Response({"task": task}, status=202)


class TaskView(APIView):
    """The state of a task that the API started: pending, started, retry, success or failure."""

    staff_permission = "django_celery_results.view_taskresult"

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
