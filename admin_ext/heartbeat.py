"""Each worker notes in PostgreSQL, every ten seconds, that it is there and what it is at.

To ask the workers through the broker takes a second, and gives no answer where the broker is away.
"""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from celery.worker import state
from django.db import connection
from django.db.models.functions import Now

from admin_ext.models import Worker
from tracking.background import Background

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10
# Two beats may be late before a worker counts as gone.
GONE_AFTER = timedelta(seconds=3 * BEAT_SECONDS + 5)
# How long a worker that ends waits until its row is gone.
FAREWELL_SECONDS = 2.0
ATTEMPTS = 3


class Heart:
    """Of the worker that this process is."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.began = 0.0
        self.stopped = Event()
        self.ended = Event()
        self.background = Background("heartbeat", self._beat_for_ever)

    def start(self, sender: Any, **signal: Any) -> None:
        """`sender` is the worker's consumer, which is made anew with each connection."""
        if self.worker is None:
            self.worker = Worker(
                name=sender.hostname,
                pid=os.getpid(),
                processes=sender.controller.concurrency,
                queues=sorted(queue.name for queue in sender.task_consumer.queues),
            )
            self.began = monotonic()
            self.background.ensure()

    def stop(self, **signal: Any) -> None:
        """Without waiting for a PostgreSQL that does not answer: who is silent counts as gone soon."""
        self.stopped.set()
        if self.worker:
            self.ended.wait(FAREWELL_SECONDS)

    def _beat_for_ever(self) -> None:
        while not self.stopped.is_set():
            self._try(self._beat)
            self.stopped.wait(BEAT_SECONDS)
        self._try(self._take_leave)
        self.ended.set()

    def _try(self, note: Callable[[], None]) -> None:
        try:
            note()
        except Exception as error:  # whatever PostgreSQL has: the worker goes on
            logger.warning("The worker could not note that it lives: %s", type(error).__name__)
        finally:
            connection.close()

    def _take_leave(self) -> None:
        if self.worker:
            Worker.objects.filter(pk=self.worker.pk, pid=self.worker.pid).delete()

    def _beat(self) -> None:
        if self.worker:
            self.worker.running = running()
            # By PostgreSQL's clock, as tasks are noted.
            self.worker.beat_at = Now()
            self.worker.started_at = Now() - timedelta(seconds=monotonic() - self.began)
            Worker.objects.bulk_create(
                [self.worker],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["pid", "processes", "queues", "running", "started_at", "beat_at"],
            )


def running() -> list[dict[str, str]]:
    """The ids and names of what this worker's processes are at."""
    requests = sorted(_at_work(), key=lambda request: request.id)
    return [{"id": request.id, "name": request.name} for request in requests]


def _at_work() -> Iterable[Any]:
    for _ in range(ATTEMPTS):
        with suppress(RuntimeError):  # another thread has just added one
            return tuple(state.active_requests)
    return ()


heart = Heart()


def watch() -> None:
    worker_ready.connect(heart.start)
    worker_shutdown.connect(heart.stop)
