from typing import Any

from django.contrib import admin
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


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(PeriodicActions, ModelAdmin, StockPeriodicTaskAdmin):  # type: ignore[misc]
    form = PeriodicTaskForm
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

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        shown: dict[Any, Any] = {"crontab_translation": [TRANSLATION], "last_run_at": LAST_AND_NEXT}
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
