from django.db import migrations

# The tasks that touched a session, on its page: task_results.of_session asks in these words.
INDEX = """
CREATE INDEX taskresult_session ON django_celery_results_taskresult
    (substring(task_args, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'), date_created DESC)
 WHERE task_name IN ('reports.recompute', 'reports.trail')
"""


class Migration(migrations.Migration):
    dependencies = [
        ("django_celery_results", "0014_alter_taskresult_status"),
    ]

    operations = [
        migrations.RunSQL(INDEX, "DROP INDEX taskresult_session"),
    ]
