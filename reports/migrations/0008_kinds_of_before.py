"""Counts the kinds of the events that were stored before kinds were counted.

Reads all events once, where there may be such. What was deleted meanwhile is not counted, and what
was corrected counts as what it is now.
"""

from django.db import migrations

# An application's minute was counted as a whole, or not at all.
FILL = """
INSERT INTO tracking_tally (application_id, minute, kinds)
SELECT application_id, minute, jsonb_object_agg(category, names)
  FROM (SELECT application_id, minute, category, jsonb_object_agg(name, events) AS names
          FROM (SELECT application_id, date_trunc('minute', received_at) AS minute,
                       category, name, count(*) AS events
                  FROM tracking_event GROUP BY 1, 2, 3, 4) AS kind
         GROUP BY 1, 2, 3) AS event
 WHERE (EXISTS (SELECT FROM reports_rollup WHERE step = 'minute' AND stored > 0 AND kinds = '{}')
        OR EXISTS (SELECT FROM tracking_tally WHERE stored > 0))
   AND NOT EXISTS (SELECT FROM reports_rollup AS counted
                    WHERE counted.application_id = event.application_id
                      AND step = 'minute' AND start = event.minute AND kinds <> '{}')
   AND NOT EXISTS (SELECT FROM tracking_tally AS waiting
                    WHERE waiting.application_id = event.application_id
                      AND waiting.minute = event.minute AND kinds IS NOT NULL)
 GROUP BY 1, 2
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0007_rollup_kinds"),
    ]

    operations = [
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
