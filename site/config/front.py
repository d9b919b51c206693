"""What the web server runs: events go into the inbox on its loop, all else runs in Django's threads.

A request is given a thread when its body is there, whole, and gives it back when its answer is
made: neither a sender nor a reader that stalls holds one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from random import getrandbits
from time import perf_counter
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from config.charset import decodable
from config.pulse import Pulse
from config.roomy import roomy
from tracking import metrics
from tracking.api import lane
from tracking.api.bodies import SECRET_LIMIT, content_length
from tracking.api.errors import ApiError
from tracking.api.incoming import Incoming, Receive
from tracking.health import alive

logger = logging.getLogger(__name__)

THREADS = 4
# The lane's own, so that sending events waits for no page, however long that takes.
LANE_THREADS = 2
# Answered here, so that no busy thread can make this process look dead.
ALIVE = {"/healthz", "/healthz/"}
# A client that takes nothing of its answer for so long gets no more of it.
TAKE_SECONDS = 30.0
# So much of an answer is made, and waits to be taken, at a time.
PART_BYTES = 64 * 1024

type Scope = dict[str, Any]
type Message = dict[str, Any]
type Send = Callable[[Message], Awaitable[None]]


class Gone(Exception):
    """The client has closed the connection, or might as well have."""


class Front:
    """The ASGI application."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self.lane_threads = ThreadPoolExecutor(LANE_THREADS, thread_name_prefix="lane")
        self.handler = BaseHandler()
        self.handler.load_middleware()
        self.pulse = Pulse()
        self.pulse.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"This is an HTTP service; it does not speak {scope['type']}.")
        incoming = Incoming(receive)
        try:
            response = await self._response(scope, incoming)
            await send(_head(response))
            if isinstance(response, StreamingHttpResponse):
                await self._stream(response, incoming, send)
            else:
                assert isinstance(response, HttpResponse)  # noqa: S101 - there is no third kind
                await _send(send, response.content, last=True)
            await incoming.drop()
        except Gone:
            logger.debug("The client of %s has gone", scope["path"])
        finally:
            incoming.close()

    async def _response(self, scope: Scope, incoming: Incoming) -> HttpResponseBase:
        """The answer, in the API's shape also to what nobody expected."""
        request = _request(scope)
        if request.path_info in ALIVE:
            response, route = lane.marked(request, alive(request)), "/healthz"
        else:
            try:
                with self.pulse.watched():
                    return await self._answer(request, incoming)
            except Exception as error:
                response, route = lane.refused(request, _refusal(error, request)), "none"
        metrics.answered(request, response, route)
        return response

    async def _answer(self, request: ASGIRequest, incoming: Incoming) -> HttpResponseBase:
        if not request.path_info.startswith("/"):  # OPTIONS *, CONNECT host
            raise ApiError("bad_request")
        if lane.is_for(request):
            return await lane.answer(request, incoming, self._in_lane_thread)
        body = await incoming.read(SECRET_LIMIT, content_length(request))
        request._stream = BytesIO(body)
        return await _within(self.threads, self._respond, request)

    async def _in_lane_thread[T](self, work: Callable[..., T], *args: Any) -> T:
        return await _within(self.lane_threads, work, *args)

    @roomy
    def _respond(self, request: ASGIRequest) -> HttpResponseBase:
        """All of Django's part, in one thread, which is what database connections belong to."""
        set_script_prefix(request.script_name or "/")
        signals.request_started.send(sender=type(self), scope=request.scope)
        response = self.handler.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        if not isinstance(response, StreamingHttpResponse):
            response.close()
        return response

    async def _stream(
        self, response: StreamingHttpResponse, incoming: Incoming, send: Send
    ) -> None:
        """Each part is made, in any thread, when the one before is on its way.

        What fails here breaks off the answer, so that the client sees that it is not whole.
        """
        pieces = iter(response)
        abandoned = asyncio.ensure_future(incoming.abandoned())
        try:
            while part := await self._part(pieces):
                await _send(send, part)
                if abandoned.done():
                    raise Gone
            await _send(send, b"", last=True)
        finally:
            abandoned.cancel()
            await _within(self.threads, response.close)

    async def _part(self, pieces: Iterator[bytes]) -> bytes:
        with self.pulse.watched():
            return await _within(self.threads, _joined, pieces)


async def _within[T](threads: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
    def sound() -> T:
        close_old_connections()  # the thread's own may have died since its last request
        return work(*args)

    return await asyncio.get_running_loop().run_in_executor(threads, sound)


def _request(scope: Scope) -> ASGIRequest:
    """Django's request, yet without a body, also where text is in no encoding that Django expects."""
    headers = [
        (name, decodable(value)) if name == b"content-type" else (name, value)
        for name, value in scope["headers"]
    ]
    query = scope["query_string"].decode(errors="replace")
    request = ASGIRequest({**scope, "headers": headers, "query_string": query}, BytesIO())
    request.started = perf_counter()  # type: ignore[attr-defined]
    request.request_id = f"{getrandbits(128):032x}"  # type: ignore[attr-defined]
    return request


def _refusal(error: Exception, request: HttpRequest) -> ApiError:
    if isinstance(error, ApiError):
        return error
    told = {"request": request}
    logger.error("No answer to %s %s", request.method, request.path, exc_info=error, extra=told)
    return ApiError("internal_error")


def _head(response: HttpResponseBase) -> Message:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers += [
        (b"set-cookie", cookie.output(header="").strip().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}


def _joined(pieces: Iterator[bytes]) -> bytes:
    """The next of them, or several where they are small; nothing at their end."""
    part, size = [], 0
    for piece in pieces:
        part.append(piece)
        size += len(piece)
        if size >= PART_BYTES:
            break
    return b"".join(part)


async def _send(send: Send, body: bytes, last: bool = False) -> None:
    """Raises `Gone`."""
    if last and len(body) <= PART_BYTES:  # the server takes a whole answer at once
        await send({"type": "http.response.body", "body": body})
        return
    for start in range(0, len(body), PART_BYTES):
        part = body[start : start + PART_BYTES]
        more = not last or start + PART_BYTES < len(body)
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": more})
        except TimeoutError:
            raise Gone from None
