"""Running a task again that failed or is stuck, with the arguments it had.

Our tasks are safe to run twice: whatever was cut short is done anew, and what was done is not doubled.
"""

import json
from ast import literal_eval
from typing import Any
from uuid import uuid4

from celery import current_app, states
from django.db import transaction
from django_celery_results.models import TaskResult

from admin_ext.stuck import Judge
from tracking import audit
from tracking.audit import Actor
from tracking.models import AuditEntry
from tracking.nudge import publish

OURS = ("tracking.", "reports.", "admin_ext.")
FAILED = (states.FAILURE, states.REVOKED)
RUN_AGAIN_AS = "run_again_as"
# What Celery puts in the place of what it left out.
LEFT_OUT = "..."


class Refused(Exception):
    """It is not run again; the message says why."""


def run_again(pk: int, judge: Judge, actor: Actor) -> str:
    """Queues the task once more; the new one's id. Raises `Refused`, and `BrokerAway`.

    Two who ask at once run it once: the second one waits for the row, and finds it done. The broker
    is asked within the transaction, because it answers in two seconds or is away, and nothing is
    noted then.
    """
    with transaction.atomic():
        task = TaskResult.objects.select_for_update().filter(pk=pk).first()
        if task is None:
            raise Refused("There is no such task.")
        refuse_unfit(task, judge)
        signature = signature_of(task)
        new = str(uuid4())
        failed = task.status in FAILED
        _note(task, new)
        action = AuditEntry.Action.TASK_RETRIED if failed else AuditEntry.Action.TASK_REQUEUED
        audit.record(actor, action, task.task_id, task=task.task_name, again=new)
        publish(signature, task_id=new)
    return new


def refuse_unfit(task: TaskResult, judge: Judge) -> None:
    if run_again_as(task):
        raise Refused("It was run again already.")
    if task.status == states.SUCCESS:
        raise Refused("It has finished.")
    if task.status not in FAILED and not judge.why_stuck(task):
        raise Refused("It is under way. It can be queued again when it is stuck.")


def run_again_as(task: TaskResult) -> str | None:
    """The id of the task that was queued in its place."""
    id = meta_of(task).get(RUN_AGAIN_AS)
    return id if isinstance(id, str) else None


def meta_of(task: TaskResult) -> dict[str, Any]:
    """What was noted beside the result: the queue, and how often it was tried again."""
    try:
        meta = json.loads(task.meta or "{}")
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def signature_of(task: TaskResult) -> Any:
    """The task with the arguments it had; raises `Refused`."""
    name = task.task_name or ""
    known = current_app.tasks.get(name)
    if known is None or not name.startswith(OURS):
        raise Refused("It is none of the tasks of this service.")
    arguments = literal(task.task_args, ()), literal(task.task_kwargs, {})
    if not isinstance(arguments[0], tuple | list) or not isinstance(arguments[1], dict):
        raise Refused("Its arguments cannot be read.")
    return known.signature(*arguments)


def literal(kept: str | None, otherwise: Any) -> Any:
    """Arguments as Celery keeps them: as JSON of a Python literal."""
    if not kept:
        return otherwise
    try:
        found = literal_eval(json.loads(kept))
        is_cut = _is_cut(found)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        if LEFT_OUT not in kept:
            raise Refused("Its arguments cannot be read.") from None
        is_cut = True
    if is_cut:
        raise Refused("Its arguments were too long to be kept. Ask for it anew where it began.")
    return found


def _is_cut(value: Any) -> bool:
    """What was left out is an ellipsis, or dots at the end of a text."""
    if isinstance(value, str):
        return value.endswith(LEFT_OUT)
    if isinstance(value, dict):
        return any(map(_is_cut, (*value, *value.values())))
    if isinstance(value, tuple | list | set):
        return any(map(_is_cut, value))
    return value is ...


def _note(task: TaskResult, new: str) -> None:
    """A worker that has it after all writes over this, and is right."""
    task.meta = json.dumps(meta_of(task) | {RUN_AGAIN_AS: new})
    if task.status not in FAILED:
        task.status = states.REVOKED
        reason = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions"}
        task.result = json.dumps(reason | {"exc_message": [f"queued again as {new}"]})
    # Not `date_done` of a failure: it stays when it happened.
    TaskResult.objects.filter(pk=task.pk).update(
        meta=task.meta, status=task.status, result=task.result
    )
