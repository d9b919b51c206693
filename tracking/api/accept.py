"""POST /events: take a body, keep it, answer. Plain Django, because this is the hot path."""

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt

from tracking import inbox, metrics, throttle, wire
from tracking.api.auth import caller_of
from tracking.api.bodies import PUBLISHABLE_LIMIT, SECRET_LIMIT, Body, body_of
from tracking.api.errors import ApiError
from tracking.keys import Caller
from tracking.tasks import bell

BELIEVABLE_OFFSET = timedelta(days=365)


@csrf_exempt
def accept(request: HttpRequest) -> HttpResponse:
    caller = sender_of(request)
    body = body_from(request, caller)
    return keep(request, caller, body, len(events_of(body)))


def sender_of(request: HttpRequest) -> Caller:
    caller = caller_of(request)
    throttle.check(caller)
    return caller


def body_from(request: HttpRequest, caller: Caller) -> Body:
    limit = PUBLISHABLE_LIMIT if caller.publishable else SECRET_LIMIT
    return body_of(request, limit, may_be_beacon=caller.publishable)


def events_of(body: Body) -> list[bytes]:
    """The JSON text of each event. Raises `ApiError`."""
    try:
        return wire.split(body.plain)
    except wire.Refused as refused:
        raise ApiError(refused.code) from None


def keep(request: HttpRequest, caller: Caller, body: Body, n_events: int) -> HttpResponse:
    """Puts the events of a body into the inbox: from here on they are ours."""
    throttle.take(caller, n_events)
    size = len(body.plain)
    receipt = inbox.put(caller, body.raw, body.encoding, n_events, size, sent_at(request))
    metrics.accepted(caller.publishable, n_events)
    bell.ring()
    return JsonResponse({"receipt": str(receipt), "accepted": n_events}, status=202)


def sent_at(request: HttpRequest) -> datetime | None:
    """The sender's clock as it sent this, from `?sent_at=`; what cannot be meant counts as absent."""
    try:
        moment = datetime.fromisoformat(request.GET.get("sent_at", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if abs(moment - now()) < BELIEVABLE_OFFSET else None
