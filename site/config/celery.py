import os
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.contrib.django.task import DjangoTask
from celery.exceptions import InvalidTaskError
from celery.signals import after_setup_logger, after_setup_task_logger
from celery.worker.strategy import default

from config.logs import hide_keys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Task(DjangoTask):  # type: ignore[type-arg]
    Strategy = "config.celery:strategy"


def strategy(*arguments: Any, **options: Any) -> Callable[..., None]:
    """Celery's own, except for what it takes for a task and cannot read.

    That would end the worker's connection to the broker, come back with the next one, and so on.
    """
    receive = default(*arguments, **options)

    def refuse_junk(message: Any, *more: Any, **named: Any) -> None:
        try:
            receive(message, *more, **named)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidTaskError(f"no task: {type(error).__name__}: {error}") from error

    return refuse_junk


app = Celery("the_eye", task_cls=Task)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

after_setup_logger.connect(hide_keys)
after_setup_task_logger.connect(hide_keys)
