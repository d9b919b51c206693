"""Commits together what is accepted at the same time.

A commit waits for the disk. Whoever comes meanwhile shares the next one, so that the more come at
once, the less each of them costs.
"""

import asyncio
import logging
import os
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic

from django.db import Error, connection

from tracking import intake
from tracking.api.errors import ApiError
from tracking.faults import Fault, classify, sqlstate
from tracking.intake import Entry

logger = logging.getLogger(__name__)

GROUP_ENTRIES = 500
GROUP_BYTES = 8 * 1024 * 1024
LOG_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Waiting:
    entry: Entry
    kept: asyncio.Future[None]


class GroupCommit:
    """One thread that writes for all requests of a process."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Waiting] = SimpleQueue()
        self.starting = Lock()
        self.thread_of = 0  # threads do not survive a fork
        self.logged_at = 0.0

    async def keep(self, entry: Entry) -> None:
        """Returns when the entry is on disk. Raises `ApiError`, and the database's errors."""
        if self.thread_of != os.getpid():
            self._start_thread()
        kept = asyncio.get_running_loop().create_future()
        self.queue.put(Waiting(entry, kept))
        await kept

    def _start_thread(self) -> None:
        with self.starting:
            if self.thread_of != os.getpid():
                Thread(target=self._write_for_ever, name="group commit", daemon=True).start()
                self.thread_of = os.getpid()

    def _write_for_ever(self) -> None:
        while True:
            group = self._next_group()
            try:
                self._write(group)
            except Exception:
                logger.exception("A group of %d entries was lost sight of", len(group))
                _settle(group, [ApiError("unavailable")] * len(group))

    def _next_group(self) -> list[Waiting]:
        group = [self.queue.get()]
        size = len(group[0].entry.body)
        with suppress(Empty):
            while len(group) < GROUP_ENTRIES and size < GROUP_BYTES:
                group.append(self.queue.get_nowait())
                size += len(group[-1].entry.body)
        return group

    def _write(self, group: Sequence[Waiting]) -> None:
        _leave_a_server_that_left()
        try:
            outcomes: Sequence[Exception | None] = intake.keep([each.entry for each in group])
        except ApiError as refusal:
            _settle(group, [refusal] * len(group))
        except Error as error:
            self._fail(group, error)
        else:
            _settle(group, outcomes)

    def _fail(self, group: Sequence[Waiting], error: Error) -> None:
        """What one entry did may not fail the others; what PostgreSQL did fails all that wait."""
        self._log(error)
        connection.close()
        if classify(error) is Fault.TRANSIENT:
            with suppress(Empty):
                for _ in range(self.queue.qsize()):
                    group = [*group, self.queue.get_nowait()]
        elif len(group) > 1:
            for each in group:
                self._write([each])
            return
        _settle(group, [error] * len(group))

    def _log(self, error: Error) -> None:
        """Now and then: where all fails, there may be thousands a second."""
        if monotonic() > self.logged_at + LOG_SECONDS:
            self.logged_at = monotonic()
            logger.warning(
                "Nothing can be put into the inbox: %s, SQLSTATE %s",
                type(error).__name__,
                sqlstate(error),
            )


def _leave_a_server_that_left() -> None:
    """A server that restarted, or ended the connection, has said so since the last statement.

    Unasked it says nothing else. To ask it before each commit would double what that takes.
    """
    if connection.connection is None:
        return
    said = select.poll()
    said.register(connection.connection, select.POLLIN)
    if said.poll(0):
        connection.close()


def _settle(group: Sequence[Waiting], outcomes: Sequence[Exception | None]) -> None:
    """Tells all who wait, with one call into their loop."""

    def tell() -> None:
        for each, outcome in zip(group, outcomes, strict=True):
            if each.kept.done():  # the client has gone
                continue
            if outcome is None:
                each.kept.set_result(None)
            else:
                each.kept.set_exception(outcome)

    group[0].kept.get_loop().call_soon_threadsafe(tell)
