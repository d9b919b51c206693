"""What to tell those who queued tasks: where to follow them, or that the broker is away."""

from collections.abc import Callable, Iterable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse

from tracking.nudge import BrokerAway

# One page of a list; each of them is a task of its own, and a line on the page that follows them.
MOST_AT_ONCE = 100


def queue_each(ask: Callable[[UUID], str], session_ids: Iterable[UUID]) -> list[str]:
    """Asks for a task for each session until the broker takes no more; the tasks' ids."""
    tasks = []
    for session_id in session_ids:
        try:
            tasks.append(ask(session_id))
        except BrokerAway:
            break
    return tasks


def follow_url(task_ids: Iterable[str]) -> str:
    return reverse("admin:eye_tasks") + "?tasks=" + ",".join(UUID(id).hex for id in task_ids)


def followed_at(request: HttpRequest, tasks: list[str]) -> str | None:
    """Where to follow the tasks; for who may not see tasks, a message in its place."""
    if not tasks:
        return None
    if request.user.has_perm("django_celery_results.view_taskresult"):
        return follow_url(tasks)
    messages.success(request, f"Queued tasks: {len(tasks)}. It takes some seconds.")
    return None


def complain(request: HttpRequest, queued: int, wanted: int) -> None:
    if queued == 0 < wanted:
        text = "The task queue is away: nothing was queued. Try again when the broker is back."
        messages.error(request, text)
    elif queued < wanted:
        text = f"The task queue went away: {queued} of {wanted} were queued. Try the rest again."
        messages.warning(request, text)
