"""POST /events on a server's event loop: what accept.py does, without a thread for each request.

Nothing here waits but for the body, for the group that is committed together, and, once in some
seconds, for a key to be looked up.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from tracking import keys, metrics, throttle
from tracking.api import accept, auth, bodies
from tracking.api.errors import ApiError, error_response
from tracking.api.incoming import Incoming
from tracking.cors import let_read
from tracking.faults import Fault, classify
from tracking.group_commit import GroupCommit
from tracking.intake import Entry
from tracking.keys import Caller

logger = logging.getLogger(__name__)

PATHS = {"/api/events", "/api/events/", "/events", "/events/"}
# What is larger is unpacked and checked in a thread, so that the others go on.
INLINE_BYTES = 128 * 1024


class InThread(Protocol):
    async def __call__[T](self, work: Callable[..., T], *args: Any) -> T: ...


commits = GroupCommit()


def is_for(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path_info in PATHS


async def answer(request: HttpRequest, incoming: Incoming, in_thread: InThread) -> HttpResponse:
    try:
        caller = await _caller(request, in_thread)
        throttle.check(caller)
        entry = await _entry(request, caller, incoming, in_thread)
        await commits.keep(entry)
        response = marked(request, accept.accepted(entry))
    except ApiError as error:
        response = refused(request, error)
    except SuspiciousOperation as error:  # a host that is not ours, too many parameters
        logger.warning("Refused a request: %s", error, extra={"request": request})
        response = refused(request, ApiError("bad_request"))
    except Error as error:
        if classify(error) is not Fault.TRANSIENT:
            raise
        response = refused(request, ApiError("unavailable"))
    metrics.answered(request, response, "/events")
    return response


def refused(request: HttpRequest, error: ApiError) -> HttpResponse:
    """What every page may read, since it tells nothing of anybody."""
    return marked(request, error_response(request, error))


def marked[R: HttpResponseBase](request: HttpRequest, response: R) -> R:
    """With the headers of Django's middleware that matter to what is no page."""
    response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
    response["X-Content-Type-Options"] = "nosniff"
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        response["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
    let_read(request, response)
    return response


async def _caller(request: HttpRequest, in_thread: InThread) -> Caller:
    """Who sends, to a name of ours. Raises `ApiError`, and `DisallowedHost` for other names."""
    request.get_host()
    key = auth.key_of(request)
    try:
        caller = keys.recall(key) if key else None
    except keys.NotRecalled:
        caller = await in_thread(keys.authenticate, key)
    return auth.admitted(request, caller)


async def _entry(
    request: HttpRequest, caller: Caller, incoming: Incoming, in_thread: InThread
) -> Entry:
    limit = accept.limit_of(caller)
    encoding = bodies.encoding_of(request, may_be_beacon=caller.publishable)
    raw = await incoming.read(limit, bodies.content_length(request))

    def read() -> Entry:
        return accept.entry_of(request, caller, bodies.unpacked(raw, encoding, limit))

    return read() if len(raw) < INLINE_BYTES and not encoding else await in_thread(read)
