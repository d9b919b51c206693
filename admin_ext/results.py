"""Where Celery keeps what tasks did: as django-celery-results does, but for a task's progress."""

from typing import Any

from celery import states
from django.utils.timezone import now
from django_celery_results.backends import DatabaseBackend
from django_celery_results.models import TaskResult


class Backend(DatabaseBackend):  # type: ignore[misc]
    def _store_result(
        self, task_id: str, result: Any, status: str, *more: Any, **named: Any
    ) -> Any:
        """Progress is told as STARTED too, and the library would take it for another start."""
        if status == states.STARTED and not is_start(result):
            _, _, encoded = self.encode_content(result)
            if TaskResult.objects.filter(task_id=task_id).update(result=encoded, date_done=now()):
                return encoded
        return super()._store_result(task_id, result, status, *more, **named)


def is_start(result: Any) -> bool:
    """Whether it is what Celery notes when a process takes the task, on each try."""
    return isinstance(result, dict) and {*result} == {"pid", "hostname"}
