"""Reading the bodies of requests: bounded, unpacked, and as strict JSON."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from tracking import wire
from tracking.api.errors import ApiError

PUBLISHABLE_LIMIT = 1024 * 1024
SECRET_LIMIT = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, as it came and unpacked."""

    raw: bytes
    encoding: str
    plain: bytes


def body_of(request: HttpRequest, limit: int, may_be_beacon: bool = False) -> Body:
    """At most `limit` bytes, also unpacked. Raises `ApiError`."""
    encoding = encoding_of(request, may_be_beacon)
    return unpacked(read_body(request, limit), encoding, limit)


def unpacked(raw: bytes, encoding: str, limit: int) -> Body:
    """Raises `ApiError`."""
    try:
        return Body(raw, encoding, wire.gunzip(raw, limit) if encoding else raw)
    except wire.Refused as refused:
        raise ApiError(refused.code) from None


def value_of(body: bytes) -> Any:
    """The JSON value, read as strictly as events are. Raises `ApiError`."""
    try:
        value = wire.loads(body)
    except wire.NotJson:
        raise ApiError("malformed_json") from None
    except RecursionError:
        raise ApiError("too_deep") from None
    if wire.too_deep(body):
        raise ApiError("too_deep")
    return value


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object, of the size of one event at most; an empty one where nothing was sent."""
    if len(body) > wire.MAX_EVENT_BYTES:
        raise ApiError("event_too_large")
    value = value_of(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise ApiError("bad_request", "The body must be a JSON object.")
    return value


def encoding_of(request: HttpRequest, may_be_beacon: bool = False) -> str:
    """`gzip` or nothing, for a body that says it is JSON. Raises `ApiError`."""
    _check_media_type(request, may_be_beacon)
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise ApiError("unsupported_media_type")
    return encoding if encoding == "gzip" else ""


def _check_media_type(request: HttpRequest, may_be_beacon: bool) -> None:
    """JSON, or a beacon's plain text; a body that names no type is taken for JSON."""
    media_type = (request.content_type or "application/json").lower()
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    is_beacon = media_type == "text/plain" and may_be_beacon
    if not (is_json or is_beacon) or charset not in {"utf-8", "utf8"}:
        raise ApiError("unsupported_media_type")


def read_body(request: HttpRequest, limit: int) -> bytes:
    """The body as it came, of which at most `limit` + 1 bytes are read."""
    length = content_length(request)
    if length is None:
        # In chunks, or to the end of an HTTP/2 stream. A WSGI server has to say that it sees where
        # such a body ends; without that, and without a length, there is none.
        stream = request.META["wsgi.input"] if "wsgi.input_terminated" in request.META else request
        body: bytes = stream.read(limit + 1)
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
    if not text or "HTTP_TRANSFER_ENCODING" in request.META:  # which has the last word
        return None
    digits = text.lstrip("0") or "0"
    if not digits.isdecimal() or len(digits) > 18:
        raise ApiError("bad_request", "Content-Length must be the number of bytes in the body.")
    return int(digits)
