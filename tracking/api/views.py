from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.api.auth import Reader, check_may_see
from tracking.api.errors import ApiError
from tracking.ids import parse_uuid
from tracking.models import Batch, Event, EventError, Receipt, Session

TIMELINE_EVENTS = 1_000


class ReceiptView(APIView):
    """The fate of one batch: waiting, digested or set aside, with its errors."""

    staff_permission = "tracking.view_receipt"

    def get(self, request: Request, id: UUID) -> Response:
        receipt = Receipt.objects.filter(pk=id).first()
        if receipt is not None:
            self._check_owner(request, receipt.application_id)
            return Response(digested(receipt))
        batch = Batch.objects.defer("body").filter(receipt=id).first()
        if batch is None:
            raise ApiError("not_found")
        self._check_owner(request, batch.application_id)
        return Response(waiting(batch))

    def _check_owner(self, request: Request, application_id: int) -> None:
        reader = request.user
        if not isinstance(reader, Reader):
            return
        if reader.caller is None or reader.caller.application_id != application_id:
            raise ApiError("not_found")


def waiting(batch: Batch) -> dict[str, Any]:
    counts = {"stored": 0, "duplicate": 0, "rejected": 0, "waiting": batch.n_events}
    return {
        "receipt": batch.receipt,
        "state": "waiting",
        "received_at": batch.received_at,
        "digested_at": None,
        "events": batch.n_events,
        **counts,
        "errors": [],
    }


def digested(receipt: Receipt) -> dict[str, Any]:
    kept = receipt.state == Receipt.State.SET_ASIDE
    return {
        "receipt": receipt.pk,
        "state": receipt.state,
        "received_at": receipt.received_at,
        "digested_at": receipt.digested_at,
        "events": receipt.events,
        "stored": receipt.stored,
        "duplicate": receipt.duplicate,
        "rejected": receipt.rejected,
        "waiting": receipt.events if kept else 0,
        "errors": [error_of(error) for error in receipt.errors.order_by("position", "id")],
    }


def error_of(error: EventError) -> dict[str, Any]:
    return {
        "position": error.position,
        "field": error.field,
        "code": error.code,
        "message": error.message,
        "value": error.value,
    }


class SessionView(APIView):
    staff_permission = "tracking.view_session"

    def get(self, request: Request, id: UUID) -> Response:
        session = session_or_404(request, id)
        return Response(
            {
                "id": session.pk,
                "applications": list(session.applications.values_list("name", flat=True)),
                "first_event": session.first_at,
                "last_event": session.last_at,
                "events": session.event_count,
                "errors": session.error_count,
                "clock_offset_ms": session.clock_offset_ms,
                "stale": session.stale,
            }
        )


class SessionEventsView(APIView):
    """A session's timeline, oldest first, a page at a time: `?after=` is the last id seen."""

    staff_permission = "tracking.view_event"

    def get(self, request: Request, id: UUID) -> Response:
        session = session_or_404(request, id)
        events = session.events.order_by("id").select_related("application")
        if isinstance(request.user, Reader) and request.user.caller:
            events = events.filter(application=request.user.caller.application_id)
        if after := request.query_params.get("after"):
            events = events.filter(pk__gt=uuid_of(after, "after"))
        page = list(events[: TIMELINE_EVENTS + 1])
        more = len(page) > TIMELINE_EVENTS
        page = page[:TIMELINE_EVENTS]
        cursor = page[-1].pk if more else None
        return Response({"events": [event_of(event) for event in page], "after": cursor})


def event_of(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "session_id": event.session_id,
        "application": event.application.name,
        "category": event.category,
        "name": event.name,
        "data": event.data,
        "timestamp": event.timestamp,
        "received_at": event.received_at,
    }


def session_or_404(request: Request, id: UUID) -> Session:
    check_may_see(request, id)
    session = Session.objects.filter(pk=id).first()
    if session is None:
        raise ApiError("not_found")
    return session


def uuid_of(text: str, field: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise ApiError("bad_request", f"{field} must be a UUID.", field)
    return id
