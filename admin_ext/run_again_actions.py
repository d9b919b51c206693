"""Running tasks again from their list and their pages: what is asked first, and what is said after."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from celery import current_app
from django.contrib import messages
from django.http import HttpRequest
from django_celery_results.models import TaskResult

from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.kit import ModelAdmin
from admin_ext.queued import complain, followed_at
from admin_ext.run_again import Refused, run_again
from admin_ext.stuck import judge
from tracking.nudge import BrokerAway

PERMISSION = "admin_ext.run_task_again"
# What whoever asks for these tasks needs, the first time and again.
ASKED_FOR_WITH = {
    "tracking.erase": "tracking.delete_session",
    "tracking.reprocess": "tracking.reprocess_eventerror",
    "reports.recompute": "reports.recompute_sessionreport",
}
WHAT_IT_DOES = (
    "It is queued once more, as a new task with the same arguments. Failed tasks and those that are "
    "stuck can be run again, each once; it is safe also where the first one goes on after all. "
    "The audit list notes who did it."
)
# One page of the list at most.
RUN_AGAIN = Question("Run again", "task", "tasks", WHAT_IT_DOES, most=50)


class RunAgainActions(ModelAdmin):
    """For the list of task results."""

    actions = ("run_again_selected",)
    actions_detail = ("run_again_one",)

    def has_run_again_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(PERMISSION) and self.has_view_permission(request)

    @asks_first(RUN_AGAIN, permission="run_again")
    def run_again_selected(self, request: HttpRequest, ids: list[int]) -> str | None:
        tasks = self.model.objects.filter(pk__in=ids)
        return _run(request, dict(tasks.values_list("pk", "task_name")))

    @asks_in_dialog(
        "Run this task again?", WHAT_IT_DOES, "Run again", permission="run_again", icon="replay"
    )
    def run_again_one(self, request: HttpRequest, task: TaskResult) -> str | None:
        return _run(request, {task.pk: task.task_name})


def _run(request: HttpRequest, names: Mapping[int, str]) -> str | None:
    """Where to follow what was queued, if that can be followed; says what was not queued, and why."""
    queued, refused = {}, Counter[str]()
    by, actor = judge(), actor_of(request)
    for pk, name in names.items():
        try:
            if not request.user.has_perm(ASKED_FOR_WITH.get(name, PERMISSION)):
                raise Refused("Your account may not ask for such a task.")
            queued[run_again(pk, by, actor)] = name
        except Refused as reason:
            refused[str(reason)] += 1
        except BrokerAway:
            break
    for text, count in refused.items():
        messages.warning(request, f"Not run again: {count}. {text}")
    complain(request, len(queued), len(names) - refused.total())
    listed = [id for id, name in queued.items() if not current_app.tasks[name].ignore_result]
    if len(listed) < len(queued):
        messages.success(
            request, f"Queued: {len(queued)}. If they fail again, they are listed here."
        )
    return followed_at(request, listed)
