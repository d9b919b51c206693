"""Each worker notes in PostgreSQL, every ten seconds, that it is there and what it is at.

To ask the workers through the broker takes a second, and gives no answer where the broker is away.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from threading import Event, Lock
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from celery.worker import state
from django.db import connection
from django.utils.timezone import now

from admin_ext.models import Worker
from tracking.background import Background

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10
# Two beats may be late before a worker counts as gone.
GONE_AFTER = timedelta(seconds=3 * BEAT_SECONDS + 5)
MOST_RUNNING = 100
ATTEMPTS = 3


class Heart:
    """Of the worker that this process is."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.stopped = Event()
        self.writing = Lock()
        self.background = Background("heartbeat", self._beat_for_ever)

    def start(self, sender: Any, **signal: Any) -> None:
        """`sender` is the worker's consumer, which is made anew with each connection."""
        if self.worker is None:
            self.worker = Worker(
                name=sender.hostname,
                pid=os.getpid(),
                processes=sender.controller.concurrency,
                queues=sorted(queue.name for queue in sender.task_consumer.queues),
                started_at=now(),
            )
            self.background.ensure()

    def stop(self, **signal: Any) -> None:
        self.stopped.set()
        if self.worker:
            with self.writing, suppress(Exception):
                Worker.objects.filter(pk=self.worker.pk, pid=self.worker.pid).delete()

    def _beat_for_ever(self) -> None:
        while not self.stopped.is_set():
            try:
                self._beat()
            except Exception as error:  # whatever PostgreSQL has: the worker goes on
                logger.warning("The worker could not note that it lives: %s", type(error).__name__)
            finally:
                connection.close()
            self.stopped.wait(BEAT_SECONDS)

    def _beat(self) -> None:
        with self.writing:
            if self.worker and not self.stopped.is_set():
                self.worker.running = running()
                self.worker.beat_at = now()
                Worker.objects.bulk_create(
                    [self.worker],
                    update_conflicts=True,
                    unique_fields=["name"],
                    update_fields=[
                        "pid",
                        "processes",
                        "queues",
                        "running",
                        "started_at",
                        "beat_at",
                    ],
                )


def running() -> list[dict[str, str]]:
    """The ids and names of what this worker's processes are at."""
    requests = sorted(_at_work(), key=lambda request: request.id)
    return [{"id": request.id, "name": request.name} for request in requests[:MOST_RUNNING]]


def _at_work() -> Iterable[Any]:
    for _ in range(ATTEMPTS):
        with suppress(RuntimeError):  # another thread has just added one
            return tuple(state.active_requests)
    return ()


heart = Heart()


def watch() -> None:
    worker_ready.connect(heart.start)
    worker_shutdown.connect(heart.stop)
