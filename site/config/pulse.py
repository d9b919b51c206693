"""Finds out when PostgreSQL falls silent, and frees those who wait for it.

A server that is stopped, or behind a cable that was pulled, refuses nothing: a statement would
wait for as long as it lasts. No limit on a statement's time tells that from one that is slow; a
second connection does, to which the answer is due at once.
"""

import asyncio
import contextlib
import logging
import os
import select
import socket
from collections.abc import Iterator
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any
from weakref import WeakSet

import psycopg2
from django.db import connection
from django.db.backends.signals import connection_created
from psycopg2 import extensions

logger = logging.getLogger(__name__)

# Work of which none takes longer than this causes no question.
ASK_SECONDS = 0.5
SILENT_SECONDS = 1.5


class Silent(Exception):
    """PostgreSQL does not answer; nobody should wait for it."""


class Pulse:
    """`silent` tells whether it was worth asking PostgreSQL anything, some moments ago."""

    def __init__(self) -> None:
        self.silent = False
        self.waiting: set[asyncio.Task[Any]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.somebody_waits = Event()
        self.connections: WeakSet[extensions.connection] = WeakSet()
        self.noting = Lock()
        self.own: extensions.connection | None = None

    def start(self) -> None:
        connection_created.connect(self._note)
        Thread(target=self._ask_for_ever, name="pulse", daemon=True).start()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """For a task that may wait for PostgreSQL, on the one loop. Raises `Silent`."""
        if self.silent:
            raise Silent
        task = asyncio.current_task()
        assert task  # noqa: S101 - nothing else waits
        self.loop = task.get_loop()
        self.waiting.add(task)
        self.somebody_waits.set()
        try:
            yield
        except asyncio.CancelledError:
            task.uncancel()
            raise Silent from None
        finally:
            self.waiting.discard(task)

    def _note(self, connection: Any, **signal: Any) -> None:
        with self.noting:
            self.connections.add(connection.connection)

    def _ask_for_ever(self) -> None:
        while True:
            if not self.silent:
                self.somebody_waits.wait()
                self.somebody_waits.clear()
            sleep(ASK_SECONDS)
            if self.waiting or self.silent:
                self.somebody_waits.set()
                self._judge(self._answers())

    def _judge(self, answers: bool) -> None:
        if answers and self.silent:
            logger.warning("PostgreSQL answers again")
        if not answers and not self.silent:
            logger.error(
                "PostgreSQL has not answered for %.1f s: requests get 503 until it does",
                SILENT_SECONDS,
            )
        self.silent = not answers
        if self.silent:
            self._free_all()

    def _answers(self) -> bool:
        """A refusal is an answer as well: whoever else asks gets it too."""
        deadline = monotonic() + SILENT_SECONDS
        try:
            if self.own is None:
                parameters = connection.get_connection_params()
                parameters.pop("cursor_factory", None)
                self.own = psycopg2.connect(**parameters, async_=True)
                _wait(self.own, deadline)
            cursor = self.own.cursor()  # without a name it would be gone before the answer
            cursor.execute("SELECT 1")
            _wait(self.own, deadline)
        except psycopg2.Error:
            self.own = None
        except TimeoutError:
            self.own = None
            return False
        return True

    def _free_all(self) -> None:
        """Who waits is told; and what it waits in sees a server that went away."""
        if self.loop:
            self.loop.call_soon_threadsafe(self._end_waiting)
        with self.noting:
            connections = list(self.connections)
        for each in connections:
            with contextlib.suppress(psycopg2.Error, OSError):
                _cut(each)

    def _end_waiting(self) -> None:
        waiting, self.waiting = self.waiting, set()
        for task in waiting:
            task.cancel()


def _cut(each: extensions.connection) -> None:
    fileno = each.fileno()
    with socket.socket(fileno=os.dup(fileno)) as end:
        if not each.closed and each.fileno() == fileno:  # it is no other's by now
            end.shutdown(socket.SHUT_RDWR)


def _wait(own: extensions.connection, deadline: float) -> None:
    """Raises `TimeoutError`."""
    while (state := own.poll()) != extensions.POLL_OK:
        poll = select.poll()  # select.select knows no file descriptor above 1,023
        poll.register(own, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not poll.poll(max(0, (deadline - monotonic()) * 1000)):
            raise TimeoutError
