"""Indexes on a table of django-celery-results, which cannot be told in its models.

Some seconds for a million rows, in which tasks wait to be noted.
"""

from django.db import migrations

# task_stats.py: the latest tasks of one name, without a look at the table itself.
OF_A_NAME = """
CREATE INDEX IF NOT EXISTS eye_task_of_name ON django_celery_results_taskresult
       (task_name, date_done DESC) INCLUDE (status, date_created, date_started)
"""
# task_results.py, `of_session`: the tasks of one session, which their arguments name.
OF_A_SESSION = """
CREATE INDEX IF NOT EXISTS eye_task_of_session ON django_celery_results_taskresult
       ((substring(task_args from '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')), date_done DESC)
 WHERE task_name IN ('reports.recompute', 'reports.trail', 'tracking.erase')
"""
# stuck.py: what is not over, longest without a change first.
NOT_OVER = """
CREATE INDEX IF NOT EXISTS eye_task_not_over ON django_celery_results_taskresult
       (status, date_done) WHERE status IN ('PENDING', 'RECEIVED', 'STARTED', 'RETRY')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("admin_ext", "0002_worker"),
        ("django_celery_results", "0014_alter_taskresult_status"),
    ]

    operations = [
        migrations.RunSQL(OF_A_NAME, "DROP INDEX IF EXISTS eye_task_of_name"),
        migrations.RunSQL(OF_A_SESSION, "DROP INDEX IF EXISTS eye_task_of_session"),
        migrations.RunSQL(NOT_OVER, "DROP INDEX IF EXISTS eye_task_not_over"),
    ]
