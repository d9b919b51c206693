"""Lists tasks from the moment they are published, also while no worker has touched them.

A thread of this process writes them down, so that no publisher waits for PostgreSQL and no caller's
transaction has part in it. Those whose result nobody keeps are not listed.
"""

import json
import logging
from contextlib import suppress
from queue import Empty, Full, Queue
from time import time
from typing import Any

from celery import current_app, states
from celery.signals import after_task_publish, before_task_publish
from django.db import connection
from django_celery_results.models import TaskResult

from tracking.background import Background

logger = logging.getLogger(__name__)

MOST_UNWRITTEN = 1_000
AT_ONCE = 100
# Arguments longer than this are cut off by Celery, and their task cannot be run again from here.
WHOLE = 16_000

unwritten: Queue[TaskResult] = Queue(MOST_UNWRITTEN)


def watch() -> None:
    before_task_publish.connect(describe)
    after_task_publish.connect(enlist)


def describe(body: Any, headers: dict[str, Any], routing_key: str, **signal: Any) -> None:
    """What a queue tells of the message, and its worker writes down with the task."""
    headers["published_at"] = time()
    headers["meta"] = {"queue": routing_key, "retries": headers["retries"]}
    for name, value in (("argsrepr", tuple(body[0])), ("kwargsrepr", dict(body[1]))):
        if len(text := repr(value)) <= WHOLE:
            headers[name] = text


def enlist(sender: str, headers: dict[str, Any], **signal: Any) -> None:
    """To be called after the publication: what no broker took is no task."""
    if not keeps_result(sender, headers):
        return
    try:
        unwritten.put_nowait(queued(sender, headers))
        writer.ensure()
    except (Full, RuntimeError):  # no thread to be had: the next one writes it too
        logger.warning("A published task is not listed until a worker takes it")


def keeps_result(name: str, headers: dict[str, Any]) -> bool:
    task = current_app.tasks.get(name)
    return task is not None and not task.ignore_result and not headers.get("ignore_result")


def queued(name: str, headers: dict[str, Any]) -> TaskResult:
    """As Celery writes it: arguments as JSON of text."""
    return TaskResult(
        task_id=headers["id"],
        task_name=name,
        task_args=json.dumps(headers["argsrepr"]),
        task_kwargs=json.dumps(headers["kwargsrepr"]),
        periodic_task_name=headers.get("periodic_task_name"),
        status=states.PENDING,
        content_type="application/json",
        content_encoding="utf-8",
        meta=json.dumps(headers["meta"]),
    )


def write_for_ever() -> None:
    while True:
        rows = [unwritten.get()]
        with suppress(Empty):
            while len(rows) < AT_ONCE:
                rows.append(unwritten.get_nowait())
        try:
            # A worker may have been quicker, and is right.
            TaskResult.objects.bulk_create(rows, ignore_conflicts=True)
        except Exception as error:  # whatever PostgreSQL has: publishing goes on
            logger.warning("Published tasks are not listed yet: %s", type(error).__name__)
        finally:
            connection.close()
            for _ in rows:
                unwritten.task_done()


writer = Background("published tasks", write_for_ever)
