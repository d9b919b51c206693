"""Tells the groups of the errors that were there before them, slice by slice."""

from django.db import migrations, models

SLICE = 50_000
# Each slice is kept when it is done. What an end halfway leaves is begun anew.
AFRESH = "TRUNCATE tracking_errorchange, tracking_errorgroup, tracking_errorcount"
# The older, the coarser are the counts that are kept.
FILL = """
INSERT INTO tracking_errorchange (application_id, category, name, field, code, minute, errors,
                                  resolved, first_at, last_at, example_id)
SELECT application_id, category, name, field, code,
       date_bin(CASE WHEN created_at > now() - interval '3 hours' THEN interval '1 minute'
                     WHEN created_at > now() - interval '3 days' THEN interval '1 hour'
                     WHEN created_at > now() - interval '9 days' THEN interval '6 hours'
                     ELSE interval '1 day' END, created_at, timestamptz 'epoch'),
       count(*), count(resolved_at), min(created_at), max(created_at), max(id)
  FROM tracking_eventerror WHERE id > %s AND id <= %s GROUP BY 1, 2, 3, 4, 5, 6
"""


def fill(apps, schema_editor):
    last = apps.get_model("tracking", "EventError").objects.aggregate(last=models.Max("pk"))["last"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(AFRESH)
        for begin in range(0, last or 0, SLICE):
            cursor.execute(FILL, [begin, begin + SLICE])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tracking", "0017_error_mutes"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
