"""The one shape of every error the API answers, and the list of its codes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

RETRY_AFTER = 2

# code → (HTTP status, what it means and what to do about it); shown at /docs/errors.
CODES: dict[str, tuple[int, str]] = {
    "malformed_json": (
        400,
        "The body is not strict JSON in UTF-8. NaN, Infinity and numbers too large for a double "
        "are not JSON. Encode the body with a JSON library and send it whole.",
    ),
    "empty_body": (400, "Nothing was sent. Send one event, or an array of at least one."),
    "not_events": (
        400,
        "The body is JSON, but neither an event (an object) nor an array of events.",
    ),
    "too_deep": (400, "Objects and arrays may be nested 32 deep. Flatten the data."),
    "bad_encoding": (
        400,
        "The body does not decompress. Send Content-Encoding: gzip only with a gzip body.",
    ),
    "bad_request": (400, "The request cannot be read. The message says what is wrong."),
    "unknown_filter": (
        400,
        "A list was asked with a parameter that it does not know, and would have answered as if "
        "it were not there. The message names the filters that exist.",
    ),
    "bad_value": (
        400,
        "A parameter has a value that cannot be meant, is given twice with different values, or "
        "is empty. The message says what is needed; leave out what you do not want to filter by.",
    ),
    "unauthorized": (
        401,
        "There is no key, or it is unknown, revoked or expired. Send Authorization: Bearer KEY "
        "with a live key; staff make keys in the admin.",
    ),
    "forbidden": (
        403,
        "The key is right, but it may not do this: a publishable key only writes, and a secret "
        "key only reads what its own application sent.",
    ),
    "wrong_origin": (
        403,
        "This publishable key may not be used from this origin. Add the page's origin (scheme, "
        "host and port) to the key in the admin.",
    ),
    "secret_key_in_browser": (
        403,
        "A secret key came from a browser. Revoke it, and use a publishable key in pages.",
    ),
    "not_found": (404, "There is nothing here, or it is not yours to see."),
    "method_not_allowed": (405, "This address does not take this method; see the Allow header."),
    "too_slow": (
        408,
        "The body did not arrive in time. Send it faster than 16 KB a second, or in smaller parts.",
    ),
    "session_erased": (409, "This session was erased and takes no more. Take another id."),
    "events_expired": (
        409,
        "Events of this session were deleted because their application keeps them no longer ('keep "
        "events for (days)' on its page in the admin), so its report cannot be computed anew. It stays "
        "as it is, marked final. For later sessions, have events kept for longer.",
    ),
    "rebuild_conflict": (
        409,
        "Reports are rebuilt one time after the other, and this does not fit the state of the latest. "
        "GET /api/reports/rebuild tells it.",
    ),
    "too_large": (
        413,
        "The body, decompressed, is over the limit: 1 MiB with a publishable key, 5 MiB with a "
        "secret one. Send smaller batches.",
    ),
    "event_too_large": (413, "One event is over 64 KiB. Send less data in it."),
    "too_many_events": (413, "A batch holds at most 1,000 events. Send several."),
    "unsupported_media_type": (
        415,
        "Send Content-Type: application/json, uncompressed or with Content-Encoding: gzip. "
        "text/plain is taken with publishable keys only.",
    ),
    "too_many_requests": (429, "Slow down; Retry-After says for how many seconds."),
    "internal_error": (500, "Our mistake. The log has it under the request id."),
    "inbox_full": (
        503,
        "More waits to be digested than this service may keep, and nothing of this request was "
        "taken. Send it again after Retry-After seconds; whoever runs the service adds workers, or "
        "raises EYE_INBOX_BYTES.",
    ),
    "unavailable": (
        503,
        "The service cannot do this just now. Send it again after Retry-After seconds: should it "
        "have kept this all the same, it counts once.",
    ),
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request that is refused as a whole."""

    field: str
    code: str
    message: str


class ApiError(Exception):
    """A refusal, to be answered with `code`'s status and the message (or the code's own text).

    Where fields are to blame, `errors` lists all of them, and the first is the one named.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        field: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code)
        first = errors[0] if errors else None
        self.code = code
        self.message = message or (first.message if first else CODES[code][1])
        self.field = field or (first.field if first else None)
        self.errors = errors
        self.retry_after = retry_after


def error_body(request: HttpRequest, error: ApiError) -> dict[str, Any]:
    body: dict[str, Any] = {
        "error": {
            "code": error.code,
            "message": error.message,
            "field": error.field,
            "docs": f"/docs/errors#{error.code}",
        },
        "request_id": getattr(request, "request_id", ""),
    }
    if error.errors:
        body["errors"] = [asdict(wrong) for wrong in error.errors]
    return body


def error_headers(error: ApiError) -> dict[str, str]:
    status = CODES[error.code][0]
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status in {429, 503}:
        return {"Retry-After": str(error.retry_after or RETRY_AFTER)}
    return {}


def error_response(
    request: HttpRequest, error: ApiError, headers: Mapping[str, str] | None = None
) -> JsonResponse:
    return JsonResponse(
        error_body(request, error),
        status=CODES[error.code][0],
        headers={**error_headers(error), **(headers or {})},
    )


BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    415: "unsupported_media_type",
    429: "too_many_requests",
    503: "unavailable",
}


def drf_exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """REST framework's exceptions in our shape. What it does not know becomes Django's 500."""
    request = context["request"]
    error = _as_api_error(exc)
    if error is None:
        return None
    headers = error_headers(error)
    if isinstance(exc, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(error_body(request, error), status=CODES[error.code][0], headers=headers)


def _as_api_error(exc: Exception) -> ApiError | None:
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return ApiError("unauthorized")
    if isinstance(exc, exceptions.ValidationError):
        return ApiError("bad_request", errors=[*_field_errors(exc.detail, "")])
    if isinstance(exc, exceptions.ParseError):
        return ApiError("malformed_json")
    if isinstance(exc, exceptions.APIException):
        fallback = "bad_request" if exc.status_code < 500 else "internal_error"
        return ApiError(BY_STATUS.get(exc.status_code, fallback))
    return None


def _field_errors(detail: Any, path: str) -> Iterator[FieldError]:
    """The leaves of what REST framework found wrong, each with the path to it."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _field_errors(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _field_errors(inner, path)
    else:
        yield FieldError(path, getattr(detail, "code", "invalid"), str(detail))


class JsonWhateverIsAsked(DefaultContentNegotiation):
    """There is nothing but JSON, so that an Accept header cannot be answered in any other way."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        json = next(iter(renderers))
        return json, json.media_type
