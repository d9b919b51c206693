"""How many tasks wait in the broker's queues, and since when; asked in bounded time.

A frozen broker holds whoever asks. A thread does so, one at a time in each process, and all pages
that want to know wait for the same answer, for a second at most.
"""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock, Thread
from time import monotonic
from typing import Any

from celery import current_app

PATIENCE_SECONDS = 1.0
REMEMBERED_SECONDS = 2.0
SOCKET_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a queue. Since when is only known of Redis and Valkey."""

    queue: str
    depth: int
    oldest: datetime | None


class Question:
    """To the broker, and the answer of the last moments."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.answer: Future[list[Waiting]] | None = None
        self.queues: Sequence[str] = ()
        self.asked_at = 0.0

    def ask(self, queues: Sequence[str]) -> list[Waiting] | None:
        """None where the broker does not answer."""
        with self.lock:
            if self.answer is None or self._is_old(queues):
                answer: Future[list[Waiting]] = Future()
                Thread(target=_answer, args=(answer, queues), daemon=True).start()
                self.answer, self.queues, self.asked_at = answer, queues, monotonic()
            answer = self.answer
        try:
            return answer.result(PATIENCE_SECONDS)
        except Exception:  # each transport has errors of its own
            return None

    def _is_old(self, queues: Sequence[str]) -> bool:
        if self.answer is None or not self.answer.done():
            return False
        return queues != self.queues or monotonic() > self.asked_at + REMEMBERED_SECONDS


_question = Question()


def waiting(queues: Sequence[str]) -> list[Waiting] | None:
    """In the order of `queues`; None where the broker does not answer."""
    try:
        return _question.ask(queues)
    except RuntimeError:  # no thread to be had
        return None


def _answer(answer: Future[list[Waiting]], queues: Sequence[str]) -> None:
    try:
        answer.set_result(_ask(queues))
    except Exception as error:
        answer.set_exception(error)


def _ask(queues: Sequence[str]) -> list[Waiting]:
    options = {"socket_timeout": SOCKET_SECONDS} if is_redis() else {}
    with current_app.connection_for_read(transport_options=options) as connection:
        connection.connect()
        return [_waiting_in(connection, queue) for queue in queues]


def is_redis() -> bool:
    return "redis" in current_app.conf.broker_read_url.partition(":")[0]


def _waiting_in(connection: Any, queue: str) -> Waiting:
    # A question about a queue that nobody has made yet ends the channel.
    with connection.channel() as channel:
        try:
            depth = channel.queue_declare(queue, passive=True).message_count
        except connection.channel_errors:
            return Waiting(queue, 0, None)
        return Waiting(queue, depth, _oldest(channel, queue) if is_redis() else None)


def _oldest(channel: Any, queue: str) -> datetime | None:
    """When the message was published that is next: the one at the end of the list."""
    head = channel.client.lindex(queue, -1)
    with suppress(ValueError, TypeError, KeyError, OverflowError):
        return datetime.fromtimestamp(float(json.loads(head)["headers"]["published_at"]), UTC)
    return None
