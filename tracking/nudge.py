"""Telling the workers that something waits: a hint that may get lost, and never holds anyone up.

Ringing a bell only sets a flag; a thread of this process publishes the task. A broker that is away
or frozen is tried again at growing intervals, by that thread alone.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import Empty, Queue
from socket import gethostname
from time import monotonic, sleep
from uuid import uuid4

from celery import Task
from django.conf import settings
from django.core.cache import cache

from tracking.background import Background

logger = logging.getLogger(__name__)

# A nudge that no worker took for this long is worth nothing any more.
EXPIRES_SECONDS = 30
# While a nudge is queued, or a worker said that it is at it, no other is published; at most for this
# long, because the broker may have lost the one and the other may have died.
EXPECTED_SECONDS = 1
NUDGED = "nudged"
LEFT_ALONE_SECONDS = 1.0
PAUSE_SECONDS = 0.05
FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 8.0


class Bell:
    """Wakes the workers for one task that takes no arguments and does whatever waits."""

    def __init__(self, task: "Task[[], object]", pause: float = PAUSE_SECONDS) -> None:
        """`pause` in seconds: for so long, rings are taken together."""
        self.task = task
        self.pause = pause
        self.rung = threading.Event()
        self.background = Background("bell", self._publish_for_ever)
        self.at_it_until = 0.0

    def ring(self) -> None:
        """Returns at once, whatever the broker does. Call it after the commit."""
        self.rung.set()
        with suppress(RuntimeError):  # no thread to be had: the next ring tries again
            self.background.ensure()

    def answered(self) -> None:
        """Who commits after this rings again. The task calls it, and then looks for the last time."""
        self.at_it_until = 0.0
        _ask(lambda: cache.delete(self._key), otherwise=False)

    def at_it(self) -> bool:
        """Says that this process looks again soon, so that no other need be nudged.

        False where another has said so: then this one is not needed.
        """
        if monotonic() < self.at_it_until:
            return True
        mine = _ask(self._is_mine, otherwise=True)
        self.at_it_until = monotonic() + EXPECTED_SECONDS / 4 if mine else 0.0
        return mine

    def _is_mine(self) -> bool:
        if cache.get(self._key, NUDGED) not in {NUDGED, _here()}:
            return False
        cache.set(self._key, _here(), EXPECTED_SECONDS)
        return True

    @property
    def _key(self) -> str:
        return f"nudge:{self.task.name}"

    def _publish_for_ever(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            self.rung.wait()
            self.rung.clear()
            try:
                self._publish()
                retry = FIRST_RETRY_SECONDS
                sleep(self.pause)
            except Exception as error:
                self.rung.set()
                logger.warning(
                    "The broker took no nudge for %s (%s); next try in %.1f s",
                    self.task.name,
                    type(error).__name__,
                    retry,
                )
                sleep(retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)

    def _publish(self) -> None:
        if not self._is_first():
            return
        try:
            self.task.apply_async(expires=EXPIRES_SECONDS, ignore_result=True, retry=False)
        except Exception:
            self.answered()  # or the next try would take this one for published
            raise

    def _is_first(self) -> bool:
        """Whether no worker is expected to look anyway. Only a cache that the workers share can tell."""
        if not settings.EYE_SHARED_CACHE:
            return True
        return _ask(lambda: cache.add(self._key, NUDGED, EXPECTED_SECONDS), otherwise=True)


class Shift:
    """One run of a task that does whatever waits: for how long it goes on, and who takes over.

    It is short, so that the other tasks of a worker that has few processes have their turn. Without
    a bell there is nobody to take over, and it goes on to the end.
    """

    def __init__(self, bell: Bell | None, seconds: float) -> None:
        self.bell = bell
        self.ends = monotonic() + (seconds if bell else inf)
        self.over = self.called = False

    def goes_on(self, behind: bool = False) -> bool:
        """Whether to look again. One worker is enough that keeps up; one that is behind is helped."""
        self.over = monotonic() >= self.ends
        if self.bell is None or self.over:
            return not self.over
        if behind and not self.called:
            self.hand_over()
        self.called = behind
        return behind or self.bell.at_it()

    def last_look(self) -> None:
        """To be called before it."""
        if self.bell:
            self.bell.answered()

    def end(self) -> None:
        """Whoever ends because the time is over has not looked for the last time.

        In a backlog, the one that was called for help takes over.
        """
        if self.over and not self.called:
            self.hand_over()

    def hand_over(self) -> None:
        if self.bell:
            self.bell.answered()
            self.bell.ring()


def _here() -> str:
    return f"{gethostname()} {os.getpid()}"


_left_alone_until = 0.0


def _ask[T](question: Callable[[], T], otherwise: T) -> T:
    """What the cache says; it is a hint too. One that does not answer is left alone for a while."""
    global _left_alone_until
    if monotonic() < _left_alone_until:
        return otherwise
    try:
        return question()
    except Exception:  # each library has errors of its own
        logger.debug("The cache did not answer", exc_info=True)
        _left_alone_until = monotonic() + LEFT_ALONE_SECONDS
        return otherwise


class BrokerAway(Exception):
    """The broker did not take the task in time."""


# How many threads a frozen broker may hold.
_publishing = threading.BoundedSemaphore(8)


def publish_once(task: "Task[..., object]", *args: str, seconds: int) -> str:
    """As `publish`; gives the id of the one that was queued less than so many seconds ago, if any."""
    key, mine = ":".join(["queued", task.name, *args]), str(uuid4())
    first = _ask(lambda: str(cache.get_or_set(key, mine, seconds) or mine), otherwise=mine)
    if first != mine:
        return first
    try:
        return publish(task, *args, task_id=mine)
    except BrokerAway:
        _ask(lambda: cache.delete(key), otherwise=False)
        raise


def publish(
    task: "Task[..., object]", *args: str, task_id: str | None = None, timeout: float = 2.0
) -> str:
    """Queues a task that somebody waits for, and gives its id; raises `BrokerAway` in time.

    A frozen broker holds a publisher for as long as it is frozen, so that it is done in a thread
    which the caller leaves behind. The task may then still run: it must be safe to run twice.
    """
    answer: Queue[str | Exception] = Queue()
    if not _publishing.acquire(blocking=False):
        raise BrokerAway

    def send() -> None:
        try:
            answer.put(task.apply_async(args, task_id=task_id, retry=False).id)
        except Exception as error:  # each transport has errors of its own
            answer.put(error)
        finally:
            _publishing.release()

    try:
        threading.Thread(target=send, daemon=True).start()
    except RuntimeError as error:  # no thread to be had
        _publishing.release()
        raise BrokerAway from error
    try:
        result = answer.get(timeout=timeout)
    except Empty:
        raise BrokerAway from None
    if isinstance(result, Exception):
        raise BrokerAway from result
    return result
