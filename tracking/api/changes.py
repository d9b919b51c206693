"""Correcting, deleting, erasing and reprocessing through the API."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking import corrections, erase
from tracking import reprocess as reprocessing
from tracking.api import views
from tracking.api.address import address_of
from tracking.api.auth import Reader, check_may_see
from tracking.api.bodies import SECRET_LIMIT, body_of, object_of
from tracking.api.errors import ApiError, FieldError
from tracking.api.openapi import OPTIONAL_BODY, json_of
from tracking.api.serializers import EventSerializer
from tracking.api.shapes import QUEUED
from tracking.audit import Actor
from tracking.ids import parse_uuid
from tracking.keys import Caller
from tracking.models import ApiKey, Event, Session
from tracking.nudge import BrokerAway, publish
from tracking.problems import storable
from tracking.tasks import asked_for, reprocess
from tracking.validation import MAX_NAME

TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
CORRECTION = {
    "category": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    "data": {"type": "object", "minProperties": 1},
}
MOST_ERRORS = 1_000
ID = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
REPROCESSING = {
    "code": TEXT,
    "field": TEXT,
    "category": TEXT,
    "name": TEXT,
    "receipt": {"type": "string", "format": "uuid"},
    "session_id": {"type": "string", "format": "uuid"},
    "application": ID,
    "errors": {"type": "array", "items": ID, "maxItems": MOST_ERRORS},
}


class EventView(views.EventView):
    """One event: read, corrected or deleted by its application's key, or by staff."""

    staff_permission = {
        "GET": "tracking.view_event",
        "PUT": "tracking.change_event",
        "PATCH": "tracking.change_event",
        "DELETE": "tracking.delete_event",
    }

    @extend_schema(
        operation_id="replaceEvent",
        summary="Correct an event: all that may change",
        request=json_of(CORRECTION, required=[*corrections.CORRECTABLE]),
        responses=EventSerializer,
    )
    def put(self, request: Request, id: UUID) -> Response:
        event, wanted = own_event(request, id), fields_of(request)
        missing = [name for name in corrections.CORRECTABLE if wanted.get(name) is None]
        if missing:
            message = "PUT needs category, name and data; PATCH takes some of them."
            errors = [FieldError(name, "missing", message) for name in missing]
            raise ApiError("bad_request", errors=errors)
        return corrected(request, event, wanted)

    @extend_schema(
        operation_id="correctEvent",
        summary="Correct an event",
        description="Category, name and data may change. The event is checked like a new one, and "
        "its session's report is built anew.",
        request=json_of(CORRECTION, minProperties=1),
        responses=EventSerializer,
    )
    def patch(self, request: Request, id: UUID) -> Response:
        event, wanted = own_event(request, id), fields_of(request)
        if not wanted:
            raise ApiError("empty_body", "Send the fields to correct, as a JSON object.")
        return corrected(request, event, wanted)

    @extend_schema(
        operation_id="deleteEvent",
        summary="Delete an event",
        description="Sent again, it counts as duplicate.",
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: Request, id: UUID) -> Response:
        erase.delete_event(own_event(request, id), actor_of(request))
        return Response(status=204)


class SessionView(views.SessionView):
    """One session. A key erases what its application sent to it; staff erase it whole."""

    staff_permission = {"GET": "tracking.view_session", "DELETE": "tracking.delete_session"}

    @extend_schema(
        operation_id="eraseSession",
        summary="Erase a session",
        description="A key erases what its application sent to it, and the session takes no more "
        "of that; staff erase what all applications sent.",
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: Request, id: UUID) -> Response:
        caller = writer_of(request)
        check_may_see(request, id)
        if not Session.objects.filter(pk=id).exists():
            raise ApiError("not_found")
        erase.erase_session(id, caller.application_id if caller else None, actor_of(request))
        return Response(status=204)


class ReprocessView(APIView):
    """Validates rejected events again, in a task whose id this answers.

    The body may name errors by `code`, `field`, `category`, `name`, `receipt`, `session_id`,
    `application` and `errors` (a list of ids); without any, all open errors are meant.
    """

    staff_permission = "tracking.reprocess_eventerror"

    @extend_schema(
        operation_id="reprocessErrors",
        summary="Validate rejected events again",
        description="After a schema was mended. Without a filter, all open errors are meant.",
        tags=["errors"],
        request=json_of(REPROCESSING, additionalProperties=False),
        responses={202: QUEUED},
        extensions={OPTIONAL_BODY: True},
    )
    def post(self, request: Request) -> Response:
        filters = dict(_named_errors(fields_of(request)))
        if caller := writer_of(request):
            if filters.get("application", caller.application_id) != caller.application_id:
                message = "A key has the errors of its own application reprocessed, no others."
                raise ApiError("forbidden", message, "application")
            filters["application"] = caller.application_id
        try:
            task = publish(reprocess, asked_for(filters, actor_of(request)))
        except BrokerAway:
            raise ApiError("unavailable", "The task queue is away. Try again.") from None
        return Response({"task": task}, status=202)


def _named_errors(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, value in body.items():
        name = "session" if field == "session_id" else field
        if name not in reprocessing.FILTERS:
            known = ", ".join(reprocessing.FILTERS)
            raise ApiError("unknown_filter", f"There is no {field}. There are: {known}.", field)
        yield name, _filter_value(name, field, value)


def _filter_value(name: str, field: str, value: Any) -> Any:
    if name in {"receipt", "session"}:
        right = isinstance(value, str) and parse_uuid(value) is not None
    elif name == "application":
        right = _is_id(value)
    elif name == "errors":
        right = isinstance(value, list) and len(value) <= MOST_ERRORS and all(map(_is_id, value))
    else:
        right = isinstance(value, str) and storable(value) == value
    if not right:
        raise ApiError("bad_value", f"{field}: {EXPECTED.get(name, 'text is needed')}.", field)
    return value


def _is_id(value: Any) -> bool:
    """In JSON, 5.0 is the same number as 5."""
    return type(value) in (int, float) and value == int(value) and 0 < value < 2**63


EXPECTED = {
    "receipt": "a UUID is needed",
    "session": "a UUID is needed",
    "application": "the id of an application is needed, a whole number",
    "errors": f"a list of at most {MOST_ERRORS:,} ids of errors is needed",
}


def corrected(request: Request, event: Event, wanted: dict[str, Any]) -> Response:
    try:
        event = corrections.correct(event.pk, wanted, actor_of(request))
    except Event.DoesNotExist:
        raise ApiError("not_found") from None
    except corrections.Wrong as wrong:
        errors = [FieldError(p.field, p.code, p.message) for p in wrong.problems]
        raise ApiError("bad_request", errors=errors) from None
    return Response(views.event_of(event))


def fields_of(request: Request) -> dict[str, Any]:
    """The object that was sent. (REST framework takes a body in chunks for an empty one.)"""
    return object_of(body_of(request._request, SECRET_LIMIT).plain)


def own_event(request: Request, id: UUID) -> Event:
    """Raises the same `not_found` for an event that is not there and one that is not yours."""
    events = Event.objects.select_related("application")
    if caller := writer_of(request):
        events = events.filter(application_id=caller.application_id)
    event = events.filter(pk=id).first()
    if event is None:
        raise ApiError("not_found")
    return event


def writer_of(request: Request) -> Caller | None:
    """The caller with a secret key; None for staff, whose permission was checked before."""
    if not isinstance(request.user, Reader):
        return None
    if request.user.caller is None:
        raise ApiError("forbidden", "This token only reads. Use a secret key.")
    return request.user.caller


def actor_of(request: Request) -> Actor:
    address = address_of(request._request)
    if caller := writer_of(request):
        key = ApiKey.objects.select_related("application").get(pk=caller.key_id)
        return Actor(f"{key.application.name}, key {key}", key_id=key.pk, address=address)
    return Actor(request.user.get_username(), user_id=request.user.pk, address=address)
