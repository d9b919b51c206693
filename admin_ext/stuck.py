"""Tasks that do not get on: their worker is gone, they run for too long, or nobody takes them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import states
from django.db.models import QuerySet
from django_celery_results.models import TaskResult

from admin_ext import display, queries, task_stats
from admin_ext.heartbeat import BEAT_SECONDS, GONE_AFTER
from admin_ext.models import Worker
from admin_ext.task_stats import Stats

# A task that runs so many times as long as 95 of 100 of its kind do, but never less than this.
SLOW_FACTOR = 5
SLOW_AFTER = timedelta(minutes=10)
# Of which nobody knows yet how long they take.
UNKNOWN_AFTER = timedelta(hours=1)
UNTAKEN_AFTER = timedelta(minutes=5)
MOST = 50
UNTAKEN = (states.PENDING, states.RECEIVED, states.RETRY)
# What nobody looks at here.
UNREAD = ("result", "traceback", "task_kwargs")

# A TaskResult: the library carries no types.
Task = Any


@dataclass(frozen=True, slots=True)
class Stuck:
    task: Task
    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows the workers and what is usual. The workers are read before the tasks, so that a task
    which has ended meanwhile is over when it is looked at.
    """

    workers: Mapping[str, Worker]
    usual: Mapping[str, Stats]
    moment: datetime

    def why_stuck(self, task: Task) -> str:
        """Empty of a task that gets on, or is over."""
        if task.status in UNTAKEN:
            waits = self.moment - task.date_done
            return (
                f"no worker took it for {display.elapsed(waits)}" if waits > UNTAKEN_AFTER else ""
            )
        if task.status == states.STARTED and task.date_started:
            return self._why_lost(task) or self._why_slow(task)
        return ""

    def _why_lost(self, task: Task) -> str:
        worker = self.workers.get(task.worker or "")
        young = self.moment - task.date_started < timedelta(seconds=2 * BEAT_SECONDS)
        if worker is None:
            return "" if young else "its worker is gone"
        if is_gone(worker, self.moment):
            return f"its worker is gone since {display.elapsed(self.moment - worker.beat_at)}"
        if worker.started_at > task.date_started:
            return "its worker was started anew since"
        noted = worker.beat_at > task.date_started + timedelta(seconds=BEAT_SECONDS)
        has_it = any(one["id"] == task.task_id for one in worker.running)
        return "its worker does not know of it" if noted and not has_it else ""

    def _why_slow(self, task: Task) -> str:
        p95 = self.usual[task.task_name].run_p95 if task.task_name in self.usual else None
        limit = UNKNOWN_AFTER if p95 is None else timedelta(seconds=SLOW_FACTOR * p95)
        runs = self.moment - task.date_started
        if runs <= max(limit, SLOW_AFTER):
            return ""
        usual = "" if p95 is None else f"; 95 of 100 take {display.duration(p95 * 1000)} at most"
        return f"runs for {display.elapsed(runs)}{usual}"


def is_gone(worker: Worker, moment: datetime) -> bool:
    return worker.beat_at < moment - GONE_AFTER


def judge() -> Judge:
    workers = {worker.name: worker for worker in Worker.objects.all()}
    # By PostgreSQL's clock, as they are noted: those of the machines differ.
    ((moment,),) = queries.rows("SELECT now()", {})
    return Judge(workers, task_stats.by_name(), moment)


def stuck(by: Judge) -> list[Stuck]:
    """Those that are longest without a change first."""
    return list(_stuck(by))[:MOST]


def _stuck(by: Judge) -> Iterator[Stuck]:
    for task in _not_over(by):
        if why := by.why_stuck(task):
            yield Stuck(task, task.date_started or task.date_created, why)


def _not_over(by: Judge) -> Iterable[Task]:
    """By the indexes eye_task_not_over and eye_task_untaken. A worker that is there runs as many as
    it has processes.
    """
    tasks: QuerySet[TaskResult] = TaskResult.objects.defer(*UNREAD).order_by("date_done")
    at_work = sum(worker.processes for worker in by.workers.values())
    yield from tasks.filter(status=states.STARTED)[: MOST + at_work]
    untaken = tasks.filter(status__in=UNTAKEN, date_done__lt=by.moment - UNTAKEN_AFTER)
    yield from untaken[:MOST]
