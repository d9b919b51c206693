import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Rows of the outbox live for a second, as those of the inbox do, and the latest rollups change every
# second: vacuum both by how much has died.
QUEUES = """
ALTER TABLE reports_rollupchange SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE reports_rollup SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000
)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0001_initial"),
        ("tracking", "0011_tally"),
    ]

    operations = [
        migrations.AddField(
            model_name="sessionreport",
            name="application_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), null=True, size=None
            ),
        ),
        migrations.CreateModel(
            name="RollupChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("events", models.BigIntegerField(default=0)),
                ("sessions_started", models.BigIntegerField(default=0)),
                ("sessions_ended", models.BigIntegerField(default=0)),
                ("distance_px", models.FloatField(default=0.0)),
                ("moving_us", models.BigIntegerField(default=0)),
                ("samples", models.BigIntegerField(default=0)),
                ("speeds", models.BinaryField(default=b"")),
                ("minute", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.application",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="SessionMinute",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "report_id",
                        "minute",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("events", models.JSONField()),
                ("distance_px", models.FloatField()),
                ("moving_us", models.BigIntegerField()),
                ("samples", models.BigIntegerField()),
                ("speeds", models.BinaryField()),
                (
                    "report",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="minutes",
                        to="reports.sessionreport",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("events", models.BigIntegerField(default=0)),
                ("sessions_started", models.BigIntegerField(default=0)),
                ("sessions_ended", models.BigIntegerField(default=0)),
                ("distance_px", models.FloatField(default=0.0)),
                ("moving_us", models.BigIntegerField(default=0)),
                ("samples", models.BigIntegerField(default=0)),
                ("speeds", models.BinaryField(default=b"")),
                (
                    "step",
                    models.CharField(
                        choices=[("minute", "Minute"), ("hour", "Hour"), ("day", "Day")],
                        max_length=6,
                    ),
                ),
                ("start", models.DateTimeField()),
                ("sent", models.BigIntegerField(default=0)),
                ("stored", models.BigIntegerField(default=0)),
                ("duplicate", models.BigIntegerField(default=0)),
                ("rejected", models.BigIntegerField(default=0)),
                ("errors", models.JSONField(default=dict, help_text="How many of each code.")),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.application",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("application", "step", "start"),
                        name="rollup_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("step__in", ["minute", "hour", "day"])),
                        name="rollup_step",
                    ),
                ],
            },
        ),
        migrations.RunSQL(QUEUES, migrations.RunSQL.noop),
    ]
