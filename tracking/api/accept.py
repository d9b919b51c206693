"""POST /events: take a body, keep it, answer. Plain Django, because this is the hot path."""

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt

from tracking import intake, throttle, wire
from tracking.api.auth import caller_of
from tracking.api.bodies import PUBLISHABLE_LIMIT, SECRET_LIMIT, Body, body_of
from tracking.api.errors import ApiError
from tracking.intake import Entry
from tracking.keys import Caller

BELIEVABLE_OFFSET = timedelta(days=365)


@csrf_exempt
def accept(request: HttpRequest) -> HttpResponse:
    caller = sender_of(request)
    return keep(entry_of(request, caller, body_from(request, caller)))


def sender_of(request: HttpRequest) -> Caller:
    caller = caller_of(request)
    throttle.check(caller)
    return caller


def body_from(request: HttpRequest, caller: Caller) -> Body:
    return body_of(request, limit_of(caller), may_be_beacon=caller.publishable)


def limit_of(caller: Caller) -> int:
    return PUBLISHABLE_LIMIT if caller.publishable else SECRET_LIMIT


def entry_of(request: HttpRequest, caller: Caller, body: Body) -> Entry:
    """What goes into the inbox. Raises `ApiError` where the body holds no events."""
    n_events, size = len(events_of(body)), len(body.plain)
    return Entry(caller, body.raw, body.encoding, n_events, size, sent_at(request))


def events_of(body: Body) -> list[bytes]:
    """The JSON text of each event. Raises `ApiError`."""
    try:
        return wire.split(body.plain)
    except wire.Refused as refused:
        raise ApiError(refused.code) from None


def keep(entry: Entry) -> HttpResponse:
    """Puts the entry into the inbox: from here on its events are ours."""
    intake.keep(entry)
    return accepted(entry)


def accepted(entry: Entry) -> HttpResponse:
    answer = b'{"receipt": "%s", "accepted": %d}' % (str(entry.receipt).encode(), entry.n_events)
    return HttpResponse(answer, status=202, content_type="application/json")


def sent_at(request: HttpRequest) -> datetime | None:
    """The sender's clock as it sent this, from `?sent_at=`; what cannot be meant counts as absent."""
    text = request.GET.get("sent_at", "") if request.META["QUERY_STRING"] else ""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if abs(moment - now()) < BELIEVABLE_OFFSET else None
