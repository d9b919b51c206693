"""Celery's own way to clear the history deletes all of it in one transaction; ours goes by slices."""

from typing import Any

from django.db import migrations


def forget(apps: Any, schema_editor: Any) -> None:
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    tasks.filter(task="celery.backend_cleanup").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("admin_ext", "0003_task_indexes"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
