"""Finds out when PostgreSQL falls silent, and frees those who wait for it.

A server that is stopped, or behind a cable that was pulled, refuses nothing: a statement would
wait for as long as it lasts. No limit on a statement's time tells that from one that is slow; a
second connection does, to which the answer is due at once.
"""

import contextlib
import logging
import os
import select
import socket
from collections.abc import Iterator
from threading import Event, Lock, Thread
from time import monotonic, sleep
from weakref import WeakSet

import psycopg2
from django.db import connection
from psycopg2 import extensions

logger = logging.getLogger(__name__)

# Work of which none takes longer than this causes no question.
ASK_SECONDS = 0.5
SILENT_SECONDS = 1.5


class Pulse:
    """`silent` tells that PostgreSQL did not answer some moments ago: until it does, nobody gets
    a connection, and whatever needs one fails as if PostgreSQL were away.
    """

    def __init__(self) -> None:
        self.silent = False
        self.waiting = 0
        self.somebody_waits = Event()
        self.connections: WeakSet[extensions.connection] = WeakSet()
        self.noting = Lock()
        self.own: extensions.connection | None = None

    def start(self) -> None:
        """From now on, all connections that Django makes in this process are watched."""
        connection.settings_dict["OPTIONS"]["connection_factory"] = self._connect
        Thread(target=self._ask_for_ever, name="pulse", daemon=True).start()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """For what may wait for PostgreSQL, on the one loop."""
        self.waiting += 1
        self.somebody_waits.set()
        try:
            yield
        finally:
            self.waiting -= 1

    def _connect(self, dsn: str) -> extensions.connection:
        if self.silent:
            raise psycopg2.OperationalError("PostgreSQL does not answer.")
        made = extensions.connection(dsn)
        with self.noting:
            self.connections.add(made)
        return made

    def _ask_for_ever(self) -> None:
        while True:
            if not self.silent:
                self.somebody_waits.wait()
                self.somebody_waits.clear()
            sleep(ASK_SECONDS)
            if self.waiting or self.silent:
                self.somebody_waits.set()
                try:
                    self._judge(self._answers())
                except Exception:
                    logger.exception("PostgreSQL could not be asked whether it answers")

    def _judge(self, answers: bool) -> None:
        if answers and self.silent:
            logger.warning("PostgreSQL answers again")
        if not answers and not self.silent:
            logger.error(
                "PostgreSQL has not answered for %.1f s: what needs it gets 503 until it does",
                SILENT_SECONDS,
            )
        self.silent = not answers
        if self.silent:
            self._cut_all()

    def _answers(self) -> bool:
        """A refusal is an answer as well: whoever else asks gets it too."""
        deadline = monotonic() + SILENT_SECONDS
        try:
            if self.own is None:
                parameters = connection.get_connection_params()
                for ours in ("connection_factory", "cursor_factory"):
                    parameters.pop(ours, None)
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

    def _cut_all(self) -> None:
        """Whoever waits sees a server that went away."""
        with self.noting:
            connections = list(self.connections)
        for each in connections:
            with contextlib.suppress(psycopg2.Error, OSError):
                _cut(each)


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
