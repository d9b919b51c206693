"""The page that follows tasks somebody has just queued, also while no worker has touched them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import states
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.generic import TemplateView
from django_celery_results.models import TaskResult
from unfold.views import UnfoldSiteViewMixin

from admin_ext import display, task_results
from admin_ext.filters import uuid_of
from admin_ext.queued import MOST_AT_ONCE
from tracking.masking import masked_text
from tracking.tasks import reprocess

SHOWN_RESULT = 120
# Masked before it is shortened, so that no half of a secret is left.
LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Followed:
    """A task by its id, and what its worker has said of it, if any has."""

    id: UUID
    result: TaskResult | None

    @property
    def over(self) -> bool:
        return self.result is not None and self.result.status in states.READY_STATES

    @property
    def status(self) -> SafeString:
        return task_results.status(self.result or TaskResult(status=states.PENDING))

    @property
    def title(self) -> SafeString | str:
        if self.result is None:
            return display.short_id(self.id)
        url = reverse("admin:django_celery_results_taskresult_change", args=[self.result.pk])
        return display.link(url, task_results.title(self.result))

    @property
    def about(self) -> SafeString | str:
        """The way back to what it was queued for."""
        if self.result is None:
            return display.EMPTY
        if self.result.task_name == reprocess.name:
            return display.link(reverse("admin:eye_errors"), "Errors")
        return task_results.session(self.result)

    @property
    def run_time(self) -> str:
        return task_results.run_time(self.result) if self.result else display.EMPTY

    @property
    def answer(self) -> SafeString | str:
        if self.result is None or self.result.status == states.PENDING:
            return "no worker has taken it yet"
        if self.result.status == states.STARTED:
            return "a worker is at it"
        text = (self.result.result or display.EMPTY)[:LOOKED_AT]
        return display.plain(masked_text(text, numbers=False), SHOWN_RESULT)


class TasksPage(UnfoldSiteViewMixin, TemplateView):  # type: ignore[misc]
    title = "Queued tasks"
    template_name = "admin/eye/tasks.html"
    permission_required = "django_celery_results.view_taskresult"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        tasks = list(followed(self.request.GET.get("tasks", "")))
        over = sum(task.over for task in tasks)
        left = len(tasks) - over
        return super().get_context_data(tasks=tasks, over=over, left=left, **kwargs)


def followed(text: str) -> Iterator[Followed]:
    ids = [id for part in text.split(",")[:MOST_AT_ONCE] if (id := uuid_of(part))]
    results: QuerySet[TaskResult] = TaskResult.objects.filter(task_id__in=list(map(str, ids)))
    by_id = {result.task_id: result for result in results.defer("traceback")}
    for id in ids:
        yield Followed(id, by_id.get(str(id)))
