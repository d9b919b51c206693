"""POST /events on a server's event loop: what accept.py does, without a thread for each request.

Nothing here waits but for the body, for the group that is committed together, and, once in some
seconds, for a key to be looked up. What is out of the ordinary is left to Django's whole stack,
which answers it the same.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.db import Error
from django.http import HttpRequest, HttpResponse

from tracking import keys, metrics, throttle
from tracking.api import accept, auth, bodies
from tracking.api.errors import ApiError, error_response
from tracking.api.incoming import Incoming
from tracking.cors import let_read
from tracking.faults import Fault, classify
from tracking.group_commit import GroupCommit
from tracking.intake import Entry
from tracking.keys import Caller

PATHS = {"/api/events", "/api/events/", "/events", "/events/"}
# What is larger is unpacked and checked in a thread, so that the others go on.
INLINE_BYTES = 128 * 1024


class InThread(Protocol):
    async def __call__[T](self, work: Callable[..., T], *args: Any) -> T: ...


commits = GroupCommit()


def is_for(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path_info in PATHS


async def answer(
    request: HttpRequest, incoming: Incoming, in_thread: InThread
) -> HttpResponse | None:
    """The answer; None where it is Django's to give, which then does not need the body."""
    started = perf_counter()
    try:
        caller = await _caller(request, in_thread)
        if caller is None:
            return None
        throttle.check(caller)
        entry = await _entry(request, caller, incoming, in_thread)
        await commits.keep(entry)
        response = marked(request, accept.accepted(entry))
    except ApiError as error:
        response = refused(request, error)
    except SuspiciousOperation:  # such as too many parameters
        response = refused(request, ApiError("bad_request"))
    except Error as error:
        if classify(error) is not Fault.TRANSIENT:
            raise
        response = refused(request, ApiError("unavailable"))
    metrics.answered("/events", "POST", response.status_code, perf_counter() - started)
    return response


def refused(request: HttpRequest, error: ApiError) -> HttpResponse:
    """What every page may read, since it tells nothing of anybody."""
    return marked(request, error_response(request, error))


def marked(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """With the headers that Django's middleware would set."""
    response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
    response["X-Content-Type-Options"] = "nosniff"
    let_read(request, response)
    return response


async def _caller(request: HttpRequest, in_thread: InThread) -> Caller | None:
    """Who sends, if it may: with a live key, to a name of ours, from an origin of the key's."""
    key = auth.key_of(request)
    if not key:
        return None
    try:
        caller = keys.recall(key)
    except keys.NotRecalled:
        caller = await in_thread(keys.authenticate, key)
    try:
        request.get_host()
        if caller and (origin := request.META.get("HTTP_ORIGIN")):
            auth.check_origin(request, caller, origin)
    except (ApiError, DisallowedHost):
        return None
    return caller


async def _entry(
    request: HttpRequest, caller: Caller, incoming: Incoming, in_thread: InThread
) -> Entry:
    limit = accept.limit_of(caller)
    encoding = bodies.encoding_of(request, may_be_beacon=caller.publishable)
    length = bodies.content_length(request)
    if length is not None and length > limit:
        raise ApiError("too_large")
    raw = await incoming.read(limit, length)
    if len(raw) > limit:
        raise ApiError("too_large")

    def read() -> Entry:
        return accept.entry_of(request, caller, bodies.unpacked(raw, encoding, limit))

    return read() if len(raw) < INLINE_BYTES and not encoding else await in_thread(read)
