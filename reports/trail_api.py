"""GET /sessions/{id}/trail."""

import re
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from msgspec.structs import asdict
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import picture, shapes, trails
from reports.models import SessionTrail
from reports.moments import moment
from reports.tasks import compute_trail
from reports.trail import MOST_POINTS, Trail, TrailClick, View, strokes
from tracking.api.auth import Reader
from tracking.api.errors import ApiError
from tracking.api.openapi import KEYS_ALONE
from tracking.api.shapes import QUEUED
from tracking.api.views import session_or_404
from tracking.models import SessionApplication
from tracking.nudge import BrokerAway, publish_once

POINTS, LEAST_POINTS = 5_000, 2
WIDTH, LEAST_WIDTH, MOST_WIDTH = 1_000, 100, 2_000
RETRY_AFTER = "1"
# However often it is asked for, a trail is one task in so many seconds.
ONE_IN_SECONDS = 5
FORMATS = ("json", "png")
PNG = "image/png"
PARAMETERS = [
    OpenApiParameter(
        "points",
        {
            "type": "integer",
            "minimum": LEAST_POINTS,
            "maximum": MOST_POINTS,
            "default": POINTS,
        },
        description="How many points the strokes have together, at most.",
    ),
    OpenApiParameter(
        "format",
        {"type": "string", "enum": [*FORMATS]},
        description="A picture comes with `png`, and where `Accept` begins with `image/png`.",
    ),
    OpenApiParameter(
        "width",
        {
            "type": "integer",
            "minimum": LEAST_WIDTH,
            "maximum": MOST_WIDTH,
            "default": WIDTH,
        },
        description="Of the picture, in pixels; the height follows from the viewport's shape.",
    ),
]


class TrailView(APIView):
    """The pointer's way through a session, for a replay: strokes, clicks, and what was seen.

    It is computed when it is asked for, by a worker, and kept. Until there is one the answer is 202:
    ask again after Retry-After. One that is behind its session is `stale`, and is computed again.
    """

    staff_permission = "reports.view_sessionreport"

    @extend_schema(
        operation_id="getTrail",
        summary="The pointer's way through a session",
        parameters=PARAMETERS,
        responses={
            (200, "application/json"): shapes.TRAIL,
            (200, PNG): OpenApiTypes.BINARY,
            202: QUEUED,
            304: OpenApiResponse(description="Nothing has changed since that ETag."),
        },
        extensions={KEYS_ALONE: True},
    )
    def get(self, request: Request, id: UUID) -> HttpResponse | Response:
        session = session_or_404(request, id)
        check_may_see(request, id)
        points = number_of(request, "points", POINTS, LEAST_POINTS, MOST_POINTS)
        width = number_of(request, "width", WIDTH, LEAST_WIDTH, MOST_WIDTH)
        as_picture = format_of(request) == "png"
        kept = trails.kept(session)
        if kept.trail is None:
            return Response({"task": queued(id)}, status=202, headers={"Retry-After": RETRY_AFTER})
        if kept.due:
            with suppress(BrokerAway):
                publish_once(compute_trail, str(id), seconds=ONE_IN_SECONDS)
        made = f"{kept.trail.computed_at.timestamp()}.{int(kept.stale)}.{points}"
        etag = f'"{made}.{width}.png"' if as_picture else f'"{made}"'
        headers = {"ETag": etag, "Vary": "Accept"}
        if request.headers.get("If-None-Match") == etag:
            return Response(status=304, headers=headers)
        trail = Trail.from_bytes(bytes(kept.trail.content))
        if as_picture:
            line, _ = trail.thinned(points)
            return HttpResponse(picture.png(trail, line, width), PNG, headers=headers)
        return Response(answer(kept.trail, kept.stale, trail, points), headers=headers)


def check_may_see(request: Request, session_id: UUID) -> None:
    """Raises `ApiError` for a page's token, and for a key where others sent to the session too."""
    if not isinstance(request.user, Reader):
        return
    if request.user.caller is None:
        raise ApiError("forbidden")
    senders = SessionApplication.objects.filter(session_id=session_id)
    if senders.exclude(application_id=request.user.caller.application_id).exists():
        message = (
            "Other applications send to this session too, and its trail shows what they sent: only "
            "staff may see it. Read your own events of it at /api/sessions/ID/events."
        )
        raise ApiError("forbidden", message)


def queued(session_id: UUID) -> str:
    try:
        return publish_once(compute_trail, str(session_id), seconds=ONE_IN_SECONDS)
    except BrokerAway:
        raise ApiError("unavailable", "The task queue is away. Try again.") from None


def answer(kept: SessionTrail, stale: bool, trail: Trail, points: int) -> dict[str, Any]:
    line, tolerance = trail.thinned(points)
    start, end = trail.start or 0, trail.end or 0
    shown = strokes(line, start)
    sizes = dict.fromkeys((view.w, view.h) for view in trail.views if view.w and view.h)
    return {
        "session": kept.session_id,
        "revision": kept.revision,
        "stale": stale,
        "computed_at": kept.computed_at,
        "start": None if trail.start is None else moment(start),
        "duration_ms": since(start, end),
        "samples": trail.samples,
        "points": len(line.t),
        "tolerance_px": tolerance,
        "viewports": [{"w": w, "h": h} for w, h in sizes],
        "pages": [*dict.fromkeys(view.page for view in trail.views if view.page is not None)],
        "strokes": [stroke._asdict() for stroke in shown],
        "clicks": [marked(click, start) for click in trail.clicks],
        "views": [marked(view, start) for view in trail.views],
        "left_out": {
            "strokes": trail.strokes - len(shown),
            "clicks": trail.all_clicks - len(trail.clicks),
            "views": trail.all_views - len(trail.views),
        },
    }


def marked(mark: TrailClick | View, start: int) -> dict[str, Any]:
    # A path may be told of before the first of its samples.
    return {**asdict(mark), "t": since(start, max(mark.t, start))}


def since(start: int, t: int) -> float:
    """µs since 1970 as ms since the start."""
    return (t - start) / 1000


def number_of(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch("[0-9]{1,5}", text) or not least <= int(text) <= most:
        message = f"{name}: a whole number from {least:,} to {most:,} is needed."
        raise ApiError("bad_value", message, name)
    return int(text)


def format_of(request: Request) -> str:
    asked = request.query_params.get("format")
    if asked is None:
        return "png" if request.headers.get("Accept", "").startswith(PNG) else "json"
    if asked not in FORMATS:
        raise ApiError("bad_value", "format: json or png is needed.", "format")
    return asked
