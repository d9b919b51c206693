"""Commits together what is accepted at the same time.

A commit waits for the disk. Whoever comes meanwhile shares the next one, so that the more come at
once, the less each of them costs.
"""

import asyncio
import logging
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic

from django.db import Error, connection

from tracking import intake
from tracking.api.errors import ApiError
from tracking.background import Background
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
        self.background = Background("group commit", self._write_for_ever)
        self.logged_at = 0.0

    async def keep(self, entry: Entry) -> None:
        """Returns when the entry is on disk. Raises `ApiError`, and the database's errors."""
        self.background.ensure()
        kept = asyncio.get_running_loop().create_future()
        self.queue.put(Waiting(entry, kept))
        await kept

    def _write_for_ever(self) -> None:
        while True:
            group = self._next_group()
            try:
                self._write(group)
            except Exception:
                logger.exception("A group of %d batches was lost sight of", len(group))
                _settle([(each, ApiError("unavailable")) for each in group])

    def _next_group(self) -> list[Waiting]:
        group = [self.queue.get()]
        size = len(group[0].entry.body)
        with suppress(Empty):
            while len(group) < GROUP_ENTRIES and size < GROUP_BYTES:
                group.append(self.queue.get_nowait())
                size += len(group[-1].entry.body)
        return group

    def _write(self, group: list[Waiting]) -> None:
        refusals = intake.admit([each.entry for each in group])
        answers = list(zip(group, refusals, strict=True))
        _settle([(each, refusal) for each, refusal in answers if refusal])
        self._put([each for each, refusal in answers if not refusal])

    def _put(self, group: list[Waiting]) -> None:
        if not group:
            return
        _leave_a_server_that_left()
        try:
            intake.put([each.entry for each in group])
        except Error as error:
            self._fail(group, error)
        else:
            _settle([(each, None) for each in group])

    def _fail(self, group: list[Waiting], error: Error) -> None:
        """What one entry did may not fail the others; what PostgreSQL did fails all that wait."""
        self._log(error)
        fault = classify(error)
        if fault is not Fault.DATA:
            connection.close()
        if fault is Fault.TRANSIENT:
            group = [*group, *self._all_that_wait()]
        elif fault is not Fault.DEPLOYMENT and len(group) > 1:
            for each in group:
                self._put([each])
            return
        _settle([(each, error) for each in group])

    def _all_that_wait(self) -> list[Waiting]:
        """This thread alone takes from the queue."""
        return [self.queue.get() for _ in range(self.queue.qsize())]

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


def _settle(outcomes: Sequence[tuple[Waiting, Exception | None]]) -> None:
    """Tells all who wait, with one call into their loop."""

    def tell() -> None:
        for each, outcome in outcomes:
            if each.kept.done():  # the client has gone
                continue
            if outcome is None:
                each.kept.set_result(None)
            else:
                each.kept.set_exception(outcome)

    if outcomes:
        first, _ = outcomes[0]
        first.kept.get_loop().call_soon_threadsafe(tell)
