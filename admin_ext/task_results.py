"""What a task result says, in words: Celery keeps it as text of Python and JSON."""

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import states
from django.db.models import Func, QuerySet, TextField, Value
from django.utils.safestring import SafeString
from django_celery_results.models import TaskResult

from admin_ext import display

STATES = {
    states.PENDING: "neutral",
    states.RECEIVED: "neutral",
    states.STARTED: "info",
    states.RETRY: "warning",
    states.SUCCESS: "success",
    states.FAILURE: "danger",
    states.REVOKED: "warning",
}
# The tasks whose argument is a session; the index eye_task_of_session is of these.
SESSION_TASKS = ("reports.recompute", "reports.trail", "tracking.erase")
UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
UUID_TEXT = re.compile(UUID_PATTERN)
# As the index eye_task_of_session has it.
SESSION = Func("task_args", Value(UUID_PATTERN), function="substring", output_field=TextField())
SHOWN = 20_000


def session_of(task: TaskResult) -> UUID | None:
    """The session a task was about, as its arguments say."""
    if task.task_name not in SESSION_TASKS:
        return None
    found = UUID_TEXT.search(task.task_args or "")
    return UUID(found[0]) if found else None


def of_session(tasks: QuerySet[TaskResult], id: UUID) -> QuerySet[TaskResult]:
    return tasks.filter(task_name__in=SESSION_TASKS).alias(session=SESSION).filter(session=str(id))


def session(task: TaskResult) -> SafeString | str:
    id = session_of(task)
    return (
        display.change_link("tracking_session", id, display.short_id(id)) if id else display.EMPTY
    )


def title(task: TaskResult) -> str:
    return f"{task.task_name or 'task'} · {task.task_id[:8]}"


def run_time(task: TaskResult) -> str:
    """Only of a task that is over: until then `date_done` is the time of its latest change."""
    started: datetime | None = display.value_of(task, "date_started")
    if started is None or task.status not in states.READY_STATES:
        return display.EMPTY
    return display.elapsed(task.date_done - started)


def done(task: TaskResult) -> SafeString | str:
    return display.moment(task.date_done if task.status in states.READY_STATES else None)


def readable(text: str | None) -> SafeString | str:
    """What Celery keeps as JSON, of JSON, of Python: indented where it can be."""
    if not text:
        return display.EMPTY
    value: Any = text
    for _ in range(2):
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            break
    if isinstance(value, str):
        return display.block(display.shorten(value, SHOWN))
    return display.block(display.shorten(json.dumps(value, ensure_ascii=False, indent=2), SHOWN))


def shown(name: str, title: str) -> display.Column:
    return display.column(lambda task: readable(getattr(task, name)), f"shown_{name}", title)
