from django.db import migrations

# task_results.py, `of_session`: the tasks of one session, which their arguments name.
OF_A_SESSION = """
CREATE INDEX IF NOT EXISTS eye_task_of_session ON django_celery_results_taskresult
       ((substring(task_args from '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')), date_done DESC)
 WHERE task_name IN ('reports.recompute', 'reports.trail', 'tracking.erase')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("django_celery_results", "0014_alter_taskresult_status"),
    ]

    operations = [
        migrations.RunSQL(OF_A_SESSION, "DROP INDEX IF EXISTS eye_task_of_session"),
    ]
