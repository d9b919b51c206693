from celery import shared_task
from django.utils.timezone import now

from admin_ext import task_history


@shared_task(name="admin_ext.clear_task_history")
def clear_task_history() -> dict[str, int | bool]:
    return task_history.clear(now())
