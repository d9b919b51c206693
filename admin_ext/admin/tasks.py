from typing import Any
from uuid import UUID

import django_celery_results.admin  # noqa: F401  # registers what is registered anew here
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_results.models import GroupResult, TaskResult

from admin_ext import display, filters, period_filters, task_results
from admin_ext.kit import ReadOnlyAdmin
from admin_ext.run_again_actions import RunAgainActions
from admin_ext.task_results import STATES, shown

STATUS = display.column(task_results.status, "status", "status")
SESSION = display.column(task_results.session, "session", "session")
QUEUED = display.time("date_created", "queued")
DONE = display.column(task_results.done, "done", "finished")
WAIT = display.column(task_results.wait, "wait", "queue wait", right=True)
RUN_TIME = display.column(task_results.run_time, "run_time", "run time", right=True)
RETRIES = display.column(task_results.retries, "retries", "retries", right=True)


class StatusFilter(filters.Choice):
    title = "status"
    parameter_name = "status"
    choices_of = {state: task_results.LABELS.get(state, state).title() for state in STATES}


class TaskNameFilter(filters.ExactTextFilter):
    title = "task name"
    parameter_name = "task_name"


class TaskSessionFilter(filters.SessionFilter):
    def of(self, queryset: QuerySet[Any], id: UUID) -> QuerySet[Any]:
        return task_results.of_session(queryset, id)


class DonePeriod(period_filters.PeriodFilter):
    field = "date_done"


# The library's own is `<Task: …>`, and pages are titled with it.
TaskResult.__str__ = task_results.title  # type: ignore[method-assign, assignment]
admin.site.unregister([TaskResult, GroupResult])


@admin.register(TaskResult)
class TaskResultAdmin(RunAgainActions, ReadOnlyAdmin):
    empty_hint = (
        "A task is listed here from the moment it is queued. Recompute a report to see one; of the "
        "tasks that run all the time, only failures are kept."
    )
    list_display = (
        display.column(task_results.name, "task", "task"),
        STATUS,
        SESSION,
        QUEUED,
        WAIT,
        RUN_TIME,
        RETRIES,
        display.words("worker", "worker", 40),
        display.column(task_results.arguments, "arguments", "arguments"),
        DONE,
    )
    list_filter = (DonePeriod, StatusFilter, TaskNameFilter, TaskSessionFilter)
    list_defer = ("result", "traceback", "task_kwargs")
    search_fields = ("task_id",)
    search_help_text = "Task id, or how it begins"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    display.words("task_name", "task"),
                    "task_id",
                    STATUS,
                    SESSION,
                    display.column(task_results.report, "report", "session report"),
                    display.words("periodic_task_name", "periodic task"),
                    display.column(task_results.queue, "queue", "queue"),
                    display.words("worker", "worker"),
                    RETRIES,
                    display.column(task_results.again, "again", "run again as"),
                )
            },
        ),
        (
            "Times",
            {
                "fields": (
                    QUEUED,
                    display.time("date_started", "started"),
                    DONE,
                    WAIT,
                    RUN_TIME,
                )
            },
        ),
        (
            "Arguments",
            {
                "fields": (
                    shown("task_args", "args", numbers=True),
                    shown("task_kwargs", "kwargs", numbers=True),
                )
            },
        ),
        ("Result", {"fields": (shown("result", "result"), shown("traceback", "traceback"))}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return tuple(field for _, options in self.fieldsets for field in options["fields"])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(task_id__startswith=term) if term else queryset), False


@admin.register(GroupResult)
class GroupResultAdmin(ReadOnlyAdmin):
    list_display = (
        display.words("group_id", "group"),
        display.time("date_created", "created"),
        display.time("date_done", "finished"),
    )
    list_filter = (DonePeriod,)
    list_defer = ("result",)
    fields = (*list_display, shown("result", "result"))
    readonly_fields = fields
