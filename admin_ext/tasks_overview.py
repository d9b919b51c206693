"""Whether the machine runs: queues, workers, beat, what is stuck, and each kind of task."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.utils.safestring import SafeString
from django.views.generic import TemplateView
from django_celery_beat.models import PeriodicTask
from unfold.views import UnfoldSiteViewMixin

from admin_ext import broker, display, schedule, task_results
from admin_ext.models import Worker
from admin_ext.run_again import OURS
from admin_ext.run_again_actions import PERMISSION
from admin_ext.stuck import Judge, Stuck, is_gone, judge, stuck
from admin_ext.task_stats import Stats

RESULTS = "django_celery_results_taskresult"
NAMES_SHOWN = 6
MOST_PERIODIC = 8


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue, and how many workers take from it."""

    queue: str
    workers: int
    waiting: broker.Waiting | None
    moment: datetime

    @property
    def name(self) -> SafeString:
        return display.plain(self.queue, 60)

    @property
    def depth(self) -> str:
        return "unknown" if self.waiting is None else f"{self.waiting.depth:,}"

    @property
    def oldest(self) -> str:
        if self.waiting is None or self.waiting.oldest is None:
            return display.EMPTY
        return _age(self.moment, self.waiting.oldest)

    @property
    def taken_by(self) -> SafeString | str:
        if self.workers:
            return f"{self.workers} worker{'' if self.workers == 1 else 's'}"
        return display.badge("no worker", "danger", "Start a worker that takes from this queue.")


@dataclass(frozen=True, slots=True)
class WorkerLine:
    worker: Worker
    moment: datetime

    @property
    def name(self) -> SafeString:
        return display.plain(self.worker.name, 60)

    @property
    def state(self) -> SafeString:
        if is_gone(self.worker, self.moment):
            return display.badge("gone", "danger", "It does not say any more that it is there.")
        return display.badge("online", "success")

    @property
    def heartbeat(self) -> str:
        return f"{_age(self.moment, self.worker.beat_at)} ago"

    @property
    def started(self) -> SafeString | str:
        return display.moment(self.worker.started_at)

    @property
    def running(self) -> SafeString | str:
        names = [str(one["name"]) for one in self.worker.running]
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return display.plain((", ".join(names[:NAMES_SHOWN]) or "nothing") + more)


@dataclass(frozen=True, slots=True)
class NameLine:
    """A kind of task; of the ones that run all the time only failures are kept."""

    name: str
    stats: Stats | None
    only_failures: bool

    @property
    def link(self) -> SafeString:
        return display.list_link(RESULTS, {"task_name": self.name}, display.plain(self.name, 60))

    @property
    def finished(self) -> str:
        if self.only_failures:
            return "not kept"
        if self.stats is None:
            return "0"
        over = "over " if self.stats.is_sample else ""
        return f"{over}{self.stats.finished:,}"

    @property
    def failed(self) -> SafeString | str:
        if self.stats is None or not self.stats.failed:
            return "0"
        query = {"task_name": self.name, "status": "FAILURE", "period": "24h"}
        return display.list_link(RESULTS, query, f"{self.stats.failed:,}")

    @property
    def run(self) -> str:
        return _pair(self.stats.run_p50, self.stats.run_p95) if self.stats else display.EMPTY

    @property
    def wait(self) -> str:
        return _pair(self.stats.wait_p50, self.stats.wait_p95) if self.stats else display.EMPTY


@dataclass(frozen=True, slots=True)
class StuckLine:
    stuck: Stuck

    @property
    def pk(self) -> int:
        return int(self.stuck.task.pk)

    @property
    def title(self) -> SafeString | str:
        task = self.stuck.task
        return display.change_link(RESULTS, task.pk, task_results.name(task))

    @property
    def session(self) -> SafeString | str:
        return task_results.session(self.stuck.task)

    @property
    def since(self) -> SafeString | str:
        return display.moment(self.stuck.since)

    @property
    def worker(self) -> SafeString:
        return display.plain(str(self.stuck.task.worker or display.EMPTY), 40)


@dataclass(frozen=True, slots=True)
class PeriodicLine:
    task: PeriodicTask
    moment: datetime

    @property
    def name(self) -> SafeString | str:
        name = display.plain(self.task.name, 40)
        return display.change_link("django_celery_beat_periodictask", self.task.pk, name)

    @property
    def last(self) -> str:
        last = self.task.last_run_at
        return f"{_age(self.moment, last)} ago" if last else display.EMPTY

    @property
    def next(self) -> str:
        if not self.task.enabled:
            return "paused"
        due = schedule.next_run(self.task, self.moment)
        if due is None:
            return display.EMPTY
        return f"in {display.elapsed(due - self.moment)}" if due > self.moment else "due"


class TasksOverview(UnfoldSiteViewMixin, TemplateView):  # type: ignore[misc]
    title = "Tasks"
    template_name = "admin/eye/tasks_overview.html"
    permission_required = "django_celery_results.view_taskresult"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        by = judge()
        lines = list(queue_lines(by))
        beat = schedule.beat()
        return super().get_context_data(
            queues=lines,
            broker_answers=all(line.waiting for line in lines),
            workers=[WorkerLine(worker, by.moment) for worker in by.workers.values()],
            periodic=[PeriodicLine(task, by.moment) for task in schedule.latest(MOST_PERIODIC)],
            last_tick_ago=_age(by.moment, beat.last_tick) if beat.last_tick else "",
            beat_is_late=beat.is_late(by.moment),
            stuck=list(map(StuckLine, stuck(by))),
            names=list(name_lines(by)),
            may_run_again=self.request.user.has_perm(PERMISSION),
            moment=display.moment(by.moment),
            **kwargs,
        )


def queue_lines(by: Judge) -> Iterator[QueueLine]:
    online = [worker for worker in by.workers.values() if not is_gone(worker, by.moment)]
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    taken = {queue for worker in online for queue in worker.queues}
    names = sorted({settings.CELERY_TASK_DEFAULT_QUEUE} | routed | taken)
    answer = broker.waiting(names) or []
    waiting = {one.queue: one for one in answer}
    for name in names:
        workers = sum(name in worker.queues for worker in online)
        yield QueueLine(name, workers, waiting.get(name), by.moment)


def name_lines(by: Judge) -> Iterator[NameLine]:
    ours = {name for name in current_app.tasks if name.startswith(OURS)}
    for name in sorted(ours | {*by.usual}):
        task = current_app.tasks.get(name)
        yield NameLine(name, by.usual.get(name), bool(task and task.ignore_result))


def _age(moment: datetime, then: datetime) -> str:
    """Never less than nothing: clocks differ, and something may have happened just now."""
    return display.elapsed(max(moment - then, timedelta(0)))


def _pair(p50: float | None, p95: float | None) -> str:
    if p50 is None or p95 is None:
        return display.EMPTY
    return f"{display.duration(p50 * 1000)} / {display.duration(p95 * 1000)}"
