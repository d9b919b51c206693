import os

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger

from config.logs import hide_keys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("the_eye")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

after_setup_logger.connect(hide_keys)
after_setup_task_logger.connect(hide_keys)
