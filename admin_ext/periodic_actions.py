"""Periodic tasks by hand: run now, pause, go on. Each is noted in the audit list."""

from typing import Any

from celery import current_app
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from kombu.utils.json import loads

from admin_ext.actors import actor_of
from admin_ext.confirm import asks_in_dialog
from admin_ext.kit import ModelAdmin
from admin_ext.queued import complain
from tracking import audit
from tracking.audit import Actor
from tracking.models import AuditEntry
from tracking.nudge import BrokerAway, publish


def enable(request: HttpRequest, tasks: QuerySet[Any]) -> None:
    """Counts from now, as if it had just run: what it missed while it was paused is not made up."""
    paused = tasks.filter(enabled=False)
    changed = _change(
        request, paused, AuditEntry.Action.TASK_RESUMED, enabled=True, last_run_at=now()
    )
    messages.success(request, f"Enabled: {changed}. Beat follows within seconds.")


def pause(request: HttpRequest, tasks: QuerySet[Any]) -> None:
    enabled = tasks.filter(enabled=True)
    changed = _change(request, enabled, AuditEntry.Action.TASK_PAUSED, enabled=False)
    messages.success(request, f"Paused: {changed}. What is queued already still runs.")


def _change(
    request: HttpRequest, tasks: QuerySet[Any], action: AuditEntry.Action, **fields: Any
) -> int:
    with transaction.atomic():
        chosen = list(tasks.select_for_update(of=("self",)))
        PeriodicTask.objects.filter(pk__in=[task.pk for task in chosen]).update(**fields)
        _record(actor_of(request), action, chosen)
        PeriodicTasks.update_changed()
    return len(chosen)


def run_now(request: HttpRequest, tasks: QuerySet[Any]) -> None:
    """As the library does, but in bounded time where the broker is frozen."""
    chosen = list(tasks)
    current_app.loader.import_default_modules()
    if unknown := [one.task for one in chosen if one.task not in current_app.tasks]:
        messages.error(request, f"Nothing was queued: no worker knows {', '.join(unknown)}.")
        return
    queued = []
    for periodic in chosen:
        try:
            publish(_signature(periodic))
        except BrokerAway:
            break
        queued.append(periodic)
    _record(actor_of(request), AuditEntry.Action.TASK_RUN, queued)
    complain(request, len(queued), len(chosen))
    if len(queued) == len(chosen):
        messages.success(request, f"{len(queued)} task{'' if len(queued) == 1 else 's'} queued.")


def _signature(periodic: PeriodicTask) -> Any:
    options: dict[str, Any] = {"queue": periodic.queue} if periodic.queue else {}
    options["headers"] = {"periodic_task_name": periodic.name}
    task = current_app.tasks[periodic.task]
    return task.signature(loads(periodic.args), loads(periodic.kwargs), **options)


def _record(actor: Actor, action: AuditEntry.Action, tasks: list[PeriodicTask]) -> None:
    for task in tasks:
        audit.record(actor, action, task.name[:100], task=task.task)


class PeriodicActions(ModelAdmin):
    """For the list of periodic tasks, and the page of each."""

    actions = ("enable_tasks", "disable_tasks", "run_tasks")
    actions_detail = ("run_one", "pause_one", "enable_one")

    @admin.action(description="Enable selected tasks", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        enable(request, queryset)

    @admin.action(description="Pause selected tasks", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        pause(request, queryset)

    @admin.action(description="Run selected tasks now", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        run_now(request, queryset)

    @asks_in_dialog(
        "Run this task now?",
        "Beside its schedule, which stays as it is.",
        "Run now",
        permission="change",
        icon="play_arrow",
    )
    def run_one(self, request: HttpRequest, task: PeriodicTask) -> None:
        run_now(request, PeriodicTask.objects.filter(pk=task.pk))

    @asks_in_dialog(
        "Pause this task?",
        "Beat does not queue it until it is enabled.",
        "Pause",
        permission="change",
        icon="pause",
        when=lambda task: task.enabled,
    )
    def pause_one(self, request: HttpRequest, task: PeriodicTask) -> None:
        pause(request, PeriodicTask.objects.filter(pk=task.pk))

    @asks_in_dialog(
        "Enable this task?",
        "Beat queues it by its schedule, from now on.",
        "Enable",
        permission="change",
        icon="resume",
        when=lambda task: not task.enabled,
    )
    def enable_one(self, request: HttpRequest, task: PeriodicTask) -> None:
        enable(request, PeriodicTask.objects.filter(pk=task.pk))
