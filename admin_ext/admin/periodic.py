from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django_celery_beat.admin import ClockedScheduleAdmin as StockClockedScheduleAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as StockCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as StockPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as StockPeriodicTaskForm
from django_celery_beat.admin import TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from admin_ext import display
from admin_ext.kit import ModelAdmin, TabularInline
from admin_ext.periodic_actions import PeriodicActions
from admin_ext.schedule import next_run

for model in (PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
    admin.site.unregister(model)


class RegisteredTaskWidget(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]
    pass


class PeriodicTaskForm(StockPeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = RegisteredTaskWidget()


def schedule(task: PeriodicTask) -> SafeString:
    return display.plain(str(task.scheduler))


def enabled(task: PeriodicTask) -> SafeString:
    return display.badge("enabled", "success") if task.enabled else display.badge("paused")


def translation(task: PeriodicTask) -> str:
    return task.crontab.human_readable if task.crontab else display.EMPTY


def upcoming(task: PeriodicTask) -> SafeString | str:
    return display.moment(next_run(task, now()))


LAST_RUN = display.time("last_run_at", "last run")
NEXT_RUN = display.column(upcoming, "next_run", "next run")
LAST_AND_NEXT = [LAST_RUN, NEXT_RUN]
TRANSLATION = display.column(translation, "crontab_translation", "crontab in words")
# What whoever may change periodic tasks may change.
WHEN_IT_RUNS = {"enabled", "interval", "crontab", "solar", "clocked", "start_time", "one_off"}


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(PeriodicActions, ModelAdmin, StockPeriodicTaskAdmin):  # type: ignore[misc]
    # The library's own has an inline script, which the Content-Security-Policy forbids.
    change_form_template = None
    date_hierarchy = None
    list_display = (
        display.words("name", "name"),
        display.column(enabled, "state", "state"),
        display.words("task", "task"),
        display.column(schedule, "schedule", "schedule"),
        LAST_RUN,
        NEXT_RUN,
        display.figure("total_run_count", "runs"),
    )
    list_filter = ("enabled", "one_off")
    sortable_by = ()
    readonly_fields = (LAST_RUN, NEXT_RUN, TRANSLATION)

    def decides_what_runs(self, request: HttpRequest) -> bool:
        """Which task, with which arguments and where: with that, one may have anything done."""
        return self.has_add_permission(request)

    def audited(self, obj: PeriodicTask) -> dict[str, Any]:
        return {"task": obj.task, "args": obj.args, "kwargs": obj.kwargs}

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The library's own form does not do without the fields that say what runs."""
        form = PeriodicTaskForm if self.decides_what_runs(request) else ModelForm
        return super().get_form(request, *args, **{"form": form, **kwargs})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.decides_what_runs(request):
            return self.readonly_fields
        shown = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [field for field in shown if field not in WHEN_IT_RUNS]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown: dict[Any, Any] = {"crontab_translation": [TRANSLATION], "last_run_at": LAST_AND_NEXT}
        if not self.decides_what_runs(request):
            shown["regtask"] = []
        return [
            (
                name,
                {
                    "fields": [
                        one for field in options["fields"] for one in shown.get(field, [field])
                    ]
                },
            )
            for name, options in StockPeriodicTaskAdmin.fieldsets
        ]


class PeriodicTaskInline(TabularInline):
    model = PeriodicTask
    fields = ("name", "task", "args", "kwargs")
    readonly_fields = fields
    can_delete = False
    extra = 0
    show_change_link = True
    verbose_name = "periodic task"
    verbose_name_plural = "periodic tasks on this schedule"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(IntervalSchedule, SolarSchedule)
class ScheduleAdmin(ModelAdmin):
    inlines = [PeriodicTaskInline]


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(ModelAdmin, StockClockedScheduleAdmin):  # type: ignore[misc]
    inlines = [PeriodicTaskInline]


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ModelAdmin, StockCrontabScheduleAdmin):  # type: ignore[misc]
    inlines = [PeriodicTaskInline]
