from typing import Any

import django_celery_results.admin  # noqa: F401  # registers what is registered anew here
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_results.models import GroupResult, TaskResult

from admin_ext import display, filters
from admin_ext.kit import ReadOnlyAdmin
from admin_ext.task_results import SESSION_TASKS, STATES, done, run_time, session, shown, title

STATUS = display.status("status", "status", STATES)
SESSION = display.column(session, "session", "session")
TIMES = (
    display.time("date_created", "first seen by a worker (UTC)"),
    display.time("date_started", "started (UTC)"),
    display.column(done, "done", "finished (UTC)"),
    display.column(run_time, "run_time", "run time", right=True),
)


class StatusFilter(filters.Choice):
    title = "status"
    parameter_name = "status"
    choices_of = {state: state.title() for state in STATES}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() in STATES else queryset


class TaskNameFilter(filters.ExactTextFilter):
    title = "task name"
    parameter_name = "task_name"


class TaskSessionFilter(filters.SessionFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (value := self.value()):
            return queryset
        id = filters.uuid_of(value)
        tasks = queryset.filter(task_name__in=SESSION_TASKS, task_args__contains=str(id))
        return tasks if id else queryset.none()


class DonePeriod(filters.Period):
    field = "date_done"


# The library's own is `<Task: …>`, and pages are titled with it.
TaskResult.__str__ = title  # type: ignore[method-assign, assignment]
admin.site.unregister([TaskResult, GroupResult])


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    empty_hint = (
        "A task is listed here from the moment a worker takes it. Recompute a report to see one."
    )
    list_display = (
        display.column(title, "task", "task"),
        STATUS,
        SESSION,
        display.words("periodic_task_name", "periodic task", 40),
        TIMES[0],
        TIMES[2],
        TIMES[3],
        display.words("worker", "worker", 40),
    )
    list_filter = (DonePeriod, StatusFilter, TaskNameFilter, TaskSessionFilter)
    list_defer = ("result", "traceback", "meta", "task_kwargs")
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
                    display.words("periodic_task_name", "periodic task"),
                    display.words("worker", "worker"),
                    *TIMES,
                )
            },
        ),
        ("Parameters", {"fields": (shown("task_args", "args"), shown("task_kwargs", "kwargs"))}),
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
        display.time("date_created", "created (UTC)"),
        display.time("date_done", "finished (UTC)"),
    )
    list_filter = (DonePeriod,)
    list_defer = ("result",)
    fields = (*list_display, shown("result", "result"))
    readonly_fields = fields
