"""POST /sessions/{id}/pointer: points, kept as the pointer/move events that they stand for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.timezone import now

from tracking import event_types, wire
from tracking.api.accept import body_from, keep, sent_at
from tracking.api.bodies import value_of
from tracking.api.errors import ApiError, FieldError
from tracking.event_types import Types
from tracking.ids import EPOCH
from tracking.intake import Entry
from tracking.keys import Caller
from tracking.problems import Problem
from tracking.validation import Rejected, validate

MOST_ERRORS = 100
# In the words of points, where those of events would puzzle.
FIELDS = {"timestamp": "time", "data.x": "x", "data.y": "y"}
NEEDS_TIME = "A point needs a time: text in ISO 8601, or milliseconds since 1970 (UTC)."
MESSAGES = {
    ("", "not_an_object"): "A point must be a JSON object.",
    ("time", "missing"): NEEDS_TIME,
    ("time", "not_a_timestamp"): NEEDS_TIME,
}


def accept_points(request: HttpRequest, caller: Caller, session_id: UUID) -> HttpResponse:
    """Keeps all of the points, or, where one is wrong, none."""
    points = points_of(body_from(request, caller).plain)
    events = [event_of(point, session_id) for point in points]
    if wrong := [*_wrong(events, caller, event_types.current())][:MOST_ERRORS]:
        raise ApiError("bad_request", errors=wrong)
    body = b"[%s]" % b",".join(events)
    return keep(Entry(caller, body, "", len(events), len(body), sent_at(request)))


def points_of(body: bytes) -> list[Any]:
    if not body.strip():
        raise ApiError("empty_body")
    value = value_of(body)
    points = value.get("points") if isinstance(value, dict) else value
    if not isinstance(points, list):
        raise ApiError("bad_request", 'Send a list of points, or {"points": […]}.', "points")
    if not points:
        raise ApiError("empty_body")
    if len(points) > wire.MAX_EVENTS:
        raise ApiError("too_many_events", "Send at most 1,000 points at once.")
    return points


def event_of(point: Any, session_id: UUID) -> bytes:
    """The JSON of a point's event; of what is no point, as it is."""
    if not isinstance(point, dict):
        return json.dumps(point).encode()
    event = {
        "session_id": str(session_id),
        "category": "pointer",
        "name": "move",
        "data": {"x": point.get("x", 0), "y": point.get("y", 0)},
        "timestamp": timestamp_of(point.get("time")),
    }
    return json.dumps(event, separators=(",", ":")).encode()


def timestamp_of(time: Any) -> Any:
    """Milliseconds since 1970 as text; everything else as it is, to be checked with the event."""
    if type(time) not in (int, float):
        return time
    try:
        return (EPOCH + timedelta(microseconds=round(time * 1000))).isoformat()
    except OverflowError:
        return time


def _wrong(events: list[bytes], caller: Caller, types: Types) -> Iterator[FieldError]:
    received_at = now()
    for place, raw in enumerate(events):
        event = validate(raw, caller.application_id, received_at, types)
        if isinstance(event, Rejected):
            yield from (_field_error(place, problem) for problem in event.problems)


def _field_error(place: int, problem: Problem) -> FieldError:
    field = FIELDS.get(problem.field, problem.field)
    message = MESSAGES.get((field, problem.code), problem.message)
    where = f"[{place}].{field}" if field else f"[{place}]"
    return FieldError(where, problem.code, message)
