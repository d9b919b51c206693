"""Rebuilding all reports, for staff: begin, look, pause, resume, cancel."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import rebuild, shapes
from reports.models import Rebuild
from reports.tasks import rebuild_bell
from tracking.api.auth import Reader
from tracking.api.changes import actor_of
from tracking.api.errors import ApiError
from tracking.api.openapi import MORE_ERRORS
from tracking.audit import Actor

KEYS_MAY_NOT = "All reports are rebuilt by staff who may, not by keys: they see one application's."
CHANGES: dict[str, Any] = {
    "request": None,
    "tags": ["reports"],
    "responses": {202: shapes.REBUILD},
    "extensions": {MORE_ERRORS: [409]},
}


def answer(made: Rebuild, status: int = 200) -> Response:
    body = {name: getattr(made, name) for name in shapes.REBUILD["properties"]}
    return Response(body, status=status)


def changed(request: Request, change: Callable[[Actor], Rebuild]) -> Response:
    try:
        made = change(actor_of(request))
    except rebuild.Conflict as conflict:
        raise ApiError("rebuild_conflict", str(conflict)) from None
    rebuild_bell.ring()
    return answer(made, 202)


class ForStaff(APIView):
    staff_permission = "reports.rebuild_sessionreport"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.user, Reader):
            raise ApiError("forbidden", KEYS_MAY_NOT)


class RebuildView(ForStaff):
    """The latest rebuild of all reports."""

    @extend_schema(
        operation_id="getRebuild",
        summary="How far a rebuild is",
        tags=["reports"],
        responses={200: shapes.REBUILD},
        extensions={MORE_ERRORS: [404]},
    )
    def get(self, request: Request) -> Response:
        latest = Rebuild.objects.first()
        if latest is None:
            raise ApiError("not_found", "No reports have been rebuilt yet. POST begins it.")
        return answer(latest)

    @extend_schema(operation_id="rebuildReports", summary="Rebuild all reports", **CHANGES)
    def post(self, request: Request) -> Response:
        return changed(request, rebuild.begin)


class PauseView(ForStaff):
    @extend_schema(operation_id="pauseRebuild", summary="Pause a rebuild", **CHANGES)
    def post(self, request: Request) -> Response:
        return changed(request, rebuild.pause)


class ResumeView(ForStaff):
    @extend_schema(operation_id="resumeRebuild", summary="Resume a rebuild", **CHANGES)
    def post(self, request: Request) -> Response:
        return changed(request, rebuild.resume)


class CancelView(ForStaff):
    @extend_schema(operation_id="cancelRebuild", summary="Cancel a rebuild", **CHANGES)
    def post(self, request: Request) -> Response:
        return changed(request, rebuild.cancel)
