"""POST /events: take a body, keep it, answer. Plain Django, because this is the hot path."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt

from tracking import inbox, metrics, throttle, wire
from tracking.api.auth import caller_of
from tracking.api.errors import ApiError
from tracking.keys import Caller
from tracking.tasks import bell

PUBLISHABLE_LIMIT = 1024 * 1024
SECRET_LIMIT = 5 * 1024 * 1024
BELIEVABLE_OFFSET = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, as it came and unpacked."""

    raw: bytes
    encoding: str
    plain: bytes


@csrf_exempt
def accept(request: HttpRequest) -> HttpResponse:
    caller = sender_of(request)
    try:
        body = body_of(request, caller)
        events = wire.split(body.plain)
    except wire.Refused as refused:
        raise ApiError(refused.code) from None
    return keep(request, caller, body, len(events))


def sender_of(request: HttpRequest) -> Caller:
    caller = caller_of(request)
    throttle.check(caller)
    return caller


def body_of(request: HttpRequest, caller: Caller) -> Body:
    """Raises `ApiError`, and `Refused` for what does not unpack."""
    check_media_type(request, caller)
    limit = PUBLISHABLE_LIMIT if caller.publishable else SECRET_LIMIT
    encoding = encoding_of(request)
    raw = read_body(request, limit)
    return Body(raw, encoding, wire.gunzip(raw, limit) if encoding else raw)


def keep(request: HttpRequest, caller: Caller, body: Body, n_events: int) -> HttpResponse:
    """Puts the events of a body into the inbox: from here on they are ours."""
    throttle.take(caller, n_events)
    size = len(body.plain)
    receipt = inbox.put(caller, body.raw, body.encoding, n_events, size, sent_at(request))
    metrics.accepted(caller.publishable, n_events)
    bell.ring()
    return JsonResponse({"receipt": str(receipt), "accepted": n_events}, status=202)


def check_media_type(request: HttpRequest, caller: Caller) -> None:
    """JSON, or a beacon's plain text; a body that names no type is taken for JSON."""
    media_type = (request.content_type or "application/json").lower()
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    is_beacon = media_type == "text/plain" and caller.publishable
    if not (is_json or is_beacon) or charset not in {"utf-8", "utf8"}:
        raise ApiError("unsupported_media_type")


def encoding_of(request: HttpRequest) -> str:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise ApiError("unsupported_media_type")
    return encoding if encoding == "gzip" else ""


def read_body(request: HttpRequest, limit: int) -> bytes:
    """The body as it came, of which at most `limit` + 1 bytes are read."""
    length = content_length(request)
    if length is None:
        # In chunks, or to the end of an HTTP/2 stream; without either there is no body.
        ends = request.META.get("wsgi.input_terminated")
        body: bytes = request.META["wsgi.input"].read(limit + 1) if ends else b""
    elif length > limit:
        raise ApiError("too_large")
    else:
        body = request.read()
        if len(body) != length:
            raise ApiError("bad_request", "The body was cut short. Send it again, whole.")
    if len(body) > limit:
        raise ApiError("too_large")
    return body


def content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    digits = text.lstrip("0") or "0"
    if not digits.isdecimal() or len(digits) > 18:
        raise ApiError("bad_request", "Content-Length must be the number of bytes in the body.")
    return int(digits)


def sent_at(request: HttpRequest) -> datetime | None:
    """The sender's clock as it sent this, from `?sent_at=`; what cannot be meant counts as absent."""
    try:
        moment = datetime.fromisoformat(request.GET.get("sent_at", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if abs(moment - now()) < BELIEVABLE_OFFSET else None
