"""Tasks that run by the clock: when each runs next, and whether beat, which queues them, is there."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from celery import current_app
from django.db.models import F, Max
from django_celery_beat.models import PeriodicTask

# Beat counts as late after three turns of its most frequent task, but never before this.
LATE_AFTER = timedelta(seconds=60)
TURNS = 3


@dataclass(frozen=True, slots=True)
class Beat:
    """`expected_by` is None where no task runs at intervals, so that nobody can tell."""

    last_tick: datetime | None
    expected_by: datetime | None

    def is_late(self, moment: datetime) -> bool:
        return self.expected_by is not None and moment > self.expected_by


def beat() -> Beat:
    tasks = PeriodicTask.objects.filter(enabled=True)
    last: datetime | None = tasks.aggregate(last=Max("last_run_at"))["last"]
    at_intervals = tasks.filter(interval__isnull=False).select_related("interval")
    turns = [task.interval.schedule.run_every for task in at_intervals]
    if not turns:
        return Beat(last, None)
    never = datetime.min.replace(tzinfo=UTC)
    return Beat(last, (last or never) + max(LATE_AFTER, TURNS * min(turns)))


def latest(most: int) -> list[PeriodicTask]:
    """Those that ran last, and then those that never did."""
    tasks = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")
    return list(tasks.order_by(F("last_run_at").desc(nulls_last=True), "name")[:most])


def next_run(task: PeriodicTask, moment: datetime) -> datetime | None:
    """None of one that is paused, or of which nobody can tell; `moment` of one that is due."""
    if not task.enabled:
        return None
    last = task.last_run_at or task.date_changed
    try:
        left = task.schedule.remaining_estimate(last.astimezone(current_app.timezone))
    except Exception:  # sunrise and sunset need a library, and do not come everywhere
        return None
    due: datetime = moment + max(left, timedelta(0))
    return max(due, task.start_time) if task.start_time else due
