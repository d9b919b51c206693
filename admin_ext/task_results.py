"""What a task result says, in words: Celery keeps it as text of Python and JSON."""

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import states
from django.db.models import Func, QuerySet, TextField, Value
from django.utils.safestring import SafeString
from django_celery_results.models import TaskResult

from admin_ext import display
from admin_ext.run_again import meta_of, run_again_as
from reports.models import SessionReport
from tracking.masking import masked, masked_text

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
TITLE = 60
ARGUMENTS = 60
# Of what is masked and then shortened to that, so much is looked at.
LOOKED_AT = 1_000
# What a worker has not touched is PENDING to Celery, which says so of unknown tasks too.
LABELS: dict[str, str] = {states.PENDING: "QUEUED"}


def status(task: TaskResult) -> SafeString:
    return display.badge(LABELS.get(task.status, task.status), STATES.get(task.status, "neutral"))


def of_session(tasks: QuerySet[TaskResult], id: UUID) -> QuerySet[TaskResult]:
    return tasks.filter(task_name__in=SESSION_TASKS).alias(session=SESSION).filter(session=str(id))


def session_of(task: TaskResult) -> UUID | None:
    """The session a task was about, as its arguments say."""
    if task.task_name not in SESSION_TASKS:
        return None
    found = UUID_TEXT.search(task.task_args or "")
    return UUID(found[0]) if found else None


def session(task: TaskResult) -> SafeString | str:
    id = session_of(task)
    return (
        display.change_link("tracking_session", id, display.short_id(id)) if id else display.EMPTY
    )


def report(task: TaskResult) -> SafeString | str:
    id = session_of(task)
    if id is None or not SessionReport.objects.filter(pk=id).exists():
        return display.EMPTY
    return display.change_link("reports_sessionreport", id, "the report")


def title(task: TaskResult) -> str:
    name = display.visible(display.shorten(task.task_name or "task", TITLE))
    return f"{name} · {display.visible(task.task_id[:8])}"


def name(task: TaskResult) -> SafeString:
    """The title, where other text stands beside it."""
    return display.plain(title(task))


def run_time(task: TaskResult) -> str:
    """Only of a task that is over: until then `date_done` is the time of its latest change."""
    started: datetime | None = display.value_of(task, "date_started")
    if started is None or task.status not in states.READY_STATES:
        return display.EMPTY
    return display.elapsed(task.date_done - started)


def wait(task: TaskResult) -> str:
    """From the publication to the start of the latest try."""
    started: datetime | None = display.value_of(task, "date_started")
    if started is None:
        return display.EMPTY
    return display.elapsed(max(started - display.value_of(task, "date_created"), timedelta(0)))


def retries(task: TaskResult) -> str:
    count = meta_of(task).get("retries")
    return f"{count:,}" if isinstance(count, int) else display.EMPTY


def queue(task: TaskResult) -> SafeString:
    return display.plain(str(meta_of(task).get("queue") or display.EMPTY), 40)


def again(task: TaskResult) -> SafeString | str:
    id = run_again_as(task)
    if id is None:
        return display.EMPTY
    view = "django_celery_results_taskresult"
    return display.list_link(view, {"q": id}, display.short_id(id))


def arguments(task: TaskResult) -> SafeString | str:
    """In one line, with what is nobody's business masked."""
    text = (task.task_args or "")[:LOOKED_AT]
    with suppress(ValueError):
        text = str(json.loads(text))
    return display.plain(masked_text(text) or display.EMPTY, ARGUMENTS)


def done(task: TaskResult) -> SafeString | str:
    return display.moment(task.date_done if task.status in states.READY_STATES else None)


def readable(text: str | None, numbers: bool = False) -> SafeString | str:
    """What Celery keeps as JSON, of JSON, of Python: indented where it can be, and masked.

    Long numbers are masked in arguments; in results they are counts and times.
    """
    if not text:
        return display.EMPTY
    value: Any = text
    for _ in range(2):
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            break
    if isinstance(value, str):
        return display.block(masked_text(display.shorten(value, SHOWN), numbers))
    indented = json.dumps(masked(value, numbers=numbers), ensure_ascii=False, indent=2)
    return display.block(display.shorten(indented, SHOWN))


def shown(name: str, title: str, numbers: bool = False) -> display.Column:
    return display.column(
        lambda task: readable(getattr(task, name), numbers), f"shown_{name}", title
    )
