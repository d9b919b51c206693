import django.db.models.deletion
from django.db import migrations, models

# As those of the rollups: see 0002_rollups.
QUEUES = """
ALTER TABLE reports_heatchange SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE reports_heat SET (
    autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_scale_factor = 0.02
)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0005_change_written"),
        ("tracking", "0013_audited"),
    ]

    operations = [
        migrations.CreateModel(
            name="HeatChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("page", models.CharField(max_length=500)),
                ("kind", models.CharField(max_length=5)),
                ("bins", models.BinaryField()),
                ("hour", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
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
            name="SessionHeat",
            fields=[
                ("page", models.CharField(max_length=500)),
                ("kind", models.CharField(max_length=5)),
                ("bins", models.BinaryField()),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "report_id",
                        "application_id",
                        "page",
                        "hour",
                        "kind",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("hour", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.application",
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="heat",
                        to="reports.sessionreport",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Heat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("page", models.CharField(max_length=500)),
                ("kind", models.CharField(max_length=5)),
                ("bins", models.BinaryField()),
                ("step", models.CharField(max_length=4)),
                ("start", models.DateTimeField()),
                ("total", models.BigIntegerField()),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.application",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("application"),
                        models.F("kind"),
                        models.F("step"),
                        models.F("start"),
                        name="heat_pages",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("application", "page", "kind", "step", "start"), name="heat_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["move", "click"]), ("step__in", ["hour", "day"])
                        ),
                        name="heat_step",
                    ),
                ],
            },
        ),
        migrations.RunSQL(QUEUES, migrations.RunSQL.noop),
    ]
