"""The body of a request as it arrives: bounded in size, in time, and in what all of them hold."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import takewhile
from typing import Any, ClassVar

from tracking.api.errors import ApiError

type Receive = Callable[[], Awaitable[dict[str, Any]]]

# How long a sender may pause at once, and in all beyond what its bytes take at this rate.
PATIENCE_SECONDS = 10.0
SLOWEST_BYTES_A_SECOND = 16 * 1024
# What bodies may take of one process's memory: those it reads, and those that wait to be kept.
HELD_LIMIT = 128 * 1024 * 1024
# Of a body that nobody wants, so much is still taken off the wire: many clients look at an answer
# only when they have sent everything, and would find a broken connection in its place.
DROPPED_SECONDS = 5.0
DROPPED_BYTES = 64 * 1024 * 1024


class Incoming:
    """One body. It holds memory until it is closed."""

    held: ClassVar[int] = 0
    # Those that are being read, and when they have to be there; the first is the oldest.
    reading: ClassVar[dict["Incoming", asyncio.Timeout]] = {}

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.parts: list[bytes] = []
        self.size = 0
        self.ended = False
        self.length: int | None = None
        self.gave_way = False

    async def read(self, limit: int, length: int | None = None) -> bytes:
        """The body, of at most `limit` bytes.

        Where its length was told, its end need not be waited for: a server says so only when it is
        asked once more. Raises `ApiError` where it is too large, cut short, or comes too slowly, or
        there is no room for it.
        """
        if length is not None and length > limit:
            raise ApiError("too_large")
        self.length = length
        self._end_by_length()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout_at(start + PATIENCE_SECONDS) as end:
                Incoming.reading[self] = end
                while not self.ended and self.size <= limit:
                    self._keep(await self._next_part())
                    if not self.ended:
                        in_time = min(loop.time(), start + self.size / SLOWEST_BYTES_A_SECOND)
                        end.reschedule(in_time + PATIENCE_SECONDS)
        except TimeoutError:
            raise ApiError("too_slow") from None
        finally:
            Incoming.reading.pop(self, None)
        if self.ended and self.size < (length or 0):
            raise _cut_short()
        if self.size > limit:
            raise ApiError("too_large")
        body, self.parts = b"".join(self.parts), []
        return body

    async def _next_part(self) -> bytes:
        message = await self.receive()
        self.ended = not message.get("more_body", False)
        if message["type"] == "http.disconnect":
            raise _cut_short()
        part: bytes = message.get("body", b"")
        return part

    def _keep(self, part: bytes) -> None:
        if self.gave_way:
            raise ApiError("too_slow")
        self.parts.append(part)
        self.size += len(part)
        Incoming.held += len(part)
        self._end_by_length()
        if Incoming.held > HELD_LIMIT:
            self._make_room()

    def _end_by_length(self) -> None:
        if self.length is not None and self.size >= self.length:
            self.ended = True

    def _make_room(self) -> None:
        """Who has been sending for the longest gives way: slow senders shut nobody else out.

        Nobody does where that would not be enough: then most are whole bodies that wait to be kept.
        """
        older = list(takewhile(lambda each: each is not self, Incoming.reading))
        if Incoming.held - sum(each.size for each in older) > HELD_LIMIT:
            self.close()
            raise ApiError("unavailable")
        for each in older:
            if Incoming.held > HELD_LIMIT:
                each._give_way()

    def _give_way(self) -> None:
        end = Incoming.reading.pop(self)
        self.gave_way = True
        self.close()
        if not end.expired():
            end.reschedule(0)

    async def drop(self) -> None:
        """Takes what is left of the body, in bounds, and forgets it."""
        if self.ended:
            return
        self.close()
        dropped = 0
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(DROPPED_SECONDS):
                while not self.ended and dropped < DROPPED_BYTES:
                    dropped += len(await self._next_part())

    async def abandoned(self) -> None:
        """Returns when nobody waits for an answer any more. To be called when the body is read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def close(self) -> None:
        Incoming.held -= self.size
        self.parts, self.size = [], 0


def _cut_short() -> ApiError:
    return ApiError("bad_request", "The body was cut short. Send it again, whole.")
