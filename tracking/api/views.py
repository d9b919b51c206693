from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.api.auth import Reader, check_may_see
from tracking.api.errors import ApiError
from tracking.api.serializers import EventSerializer, SessionSerializer
from tracking.api.shapes import RECEIPT
from tracking.models import Batch, Event, EventError, Receipt, Session


class ReceiptView(APIView):
    """The fate of one batch: waiting, digested or set aside, with its errors."""

    staff_permission = "tracking.view_receipt"

    @extend_schema(
        operation_id="getReceipt",
        summary="What became of a batch",
        tags=["events"],
        responses={200: RECEIPT},
    )
    def get(self, request: Request, id: UUID) -> Response:
        found = _batch(id) or Receipt.objects.filter(pk=id).first() or _batch(id)
        if found is None:
            raise ApiError("not_found")
        self._check_owner(request, found.application_id)
        return Response(waiting(found) if isinstance(found, Batch) else digested(found))

    def _check_owner(self, request: Request, application_id: int) -> None:
        reader = request.user
        if not isinstance(reader, Reader):
            return
        if reader.caller is None or reader.caller.application_id != application_id:
            raise ApiError("not_found")


def _batch(receipt: UUID) -> Batch | None:
    """To be looked for before its receipt, which takes its place, and after: it may come back."""
    return Batch.objects.defer("body").filter(receipt=receipt).first()


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
        "resolved_at": error.resolved_at,
    }


class SessionView(APIView):
    staff_permission: str | dict[str, str] = "tracking.view_session"

    @extend_schema(operation_id="getSession", summary="A session", responses=SessionSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        return Response(SessionSerializer(session_or_404(request, id)).data)


class EventView(APIView):
    """One event, as it is stored."""

    staff_permission: str | dict[str, str] = "tracking.view_event"

    @extend_schema(operation_id="getEvent", summary="An event", responses=EventSerializer)
    def get(self, request: Request, id: UUID) -> Response:
        events = Event.objects.select_related("application")
        if isinstance(request.user, Reader):
            events = events.filter(**own(request.user))
        event = events.filter(pk=id).first()
        if event is None:
            raise ApiError("not_found")
        return Response(event_of(event))


def own(reader: Reader) -> dict[str, Any]:
    """What the events that a key or a page's token may read have in common."""
    if reader.caller is None:
        return {"session_id": reader.session_id}
    return {"application_id": reader.caller.application_id}


def event_of(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = EventSerializer().to_representation(event)
    return shown


def session_or_404(request: Request, id: UUID) -> Session:
    check_may_see(request, id)
    session = Session.objects.filter(pk=id).first()
    if session is None:
        raise ApiError("not_found")
    return session
