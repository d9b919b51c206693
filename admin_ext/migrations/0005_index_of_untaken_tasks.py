"""An index on a table of django-celery-results, which cannot be told in its models."""

from django.db import migrations

# stuck.py: what no worker took, longest without a change first. By `eye_task_not_over` each status has
# an order of its own, so that PostgreSQL walked over all that was finished before a backlog.
UNTAKEN = """
CREATE INDEX IF NOT EXISTS eye_task_untaken ON django_celery_results_taskresult
       (date_done) WHERE status IN ('PENDING', 'RECEIVED', 'RETRY')
"""


class Migration(migrations.Migration):
    dependencies = [("admin_ext", "0004_no_backend_cleanup")]

    operations = [migrations.RunSQL(UNTAKEN, "DROP INDEX IF EXISTS eye_task_untaken")]
