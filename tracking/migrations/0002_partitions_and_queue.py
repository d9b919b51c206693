from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils.timezone import now

from tracking.partitions import ensure_partitions

# Rows of the inbox live for milliseconds: vacuum it by how much has died, not by how large it is,
# and leave room in its pages for the update that claims a row.
QUEUE = """
ALTER TABLE tracking_batch SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
)
"""
# Session counters change with every digest: room for updates that touch no index.
SESSIONS = "ALTER TABLE tracking_session SET (fillfactor = 80)"


def make_partitions(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    ensure_partitions(now())


class Migration(migrations.Migration):
    dependencies = [("tracking", "0001_initial")]

    operations = [
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
        migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
        migrations.RunSQL(SESSIONS, migrations.RunSQL.noop),
    ]
