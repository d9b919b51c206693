import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Rows live for moments, as in the inbox: vacuum by how much has died.
QUEUE = """
ALTER TABLE tracking_errorchange SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000
)
"""
# Groups are written again and again, and no index has to know.
ROOM = "ALTER TABLE tracking_errorgroup SET (fillfactor = 70)"
# What is read from an index alone has to be vacuumed often.
TIDY = """
ALTER TABLE tracking_errorcount SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02
)
"""


def application():
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="tracking.application",
    )


def serial():
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def kind():
    return [
        ("application", application()),
        ("category", models.CharField(blank=True, max_length=200)),
        ("name", models.CharField(blank=True, max_length=200)),
        ("field", models.CharField(blank=True, max_length=200)),
        ("code", models.CharField(blank=True, max_length=50)),
    ]


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0015_tally_kinds"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErrorChange",
            fields=[
                ("id", serial()),
                *kind(),
                ("minute", models.DateTimeField()),
                ("errors", models.IntegerField()),
                ("resolved", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "example_id",
                    models.BigIntegerField(help_text="The latest of these errors."),
                ),
                (
                    "written_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="ErrorGroup",
            fields=[
                *kind(),
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("errors", models.BigIntegerField()),
                ("resolved", models.BigIntegerField()),
                (
                    "example_id",
                    models.BigIntegerField(help_text="The latest error, which may be gone by now."),
                ),
            ],
            options={
                "default_permissions": (),
                "permissions": [("mute_errorgroup", "Can mute groups of errors")],
                "indexes": [
                    models.Index(models.F("application"), name="errorgroup_application"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ErrorCount",
            fields=[
                ("id", serial()),
                (
                    "step",
                    models.IntegerField(
                        choices=[(60, "Minute"), (3600, "Hour"), (21600, "Quarter"), (86400, "Day")]
                    ),
                ),
                ("start", models.DateTimeField()),
                ("errors", models.BigIntegerField()),
                ("resolved", models.BigIntegerField()),
                (
                    "group",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="counts",
                        to="tracking.errorgroup",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["step", "start"],
                        include=("group", "errors", "resolved"),
                        name="errorcount_period",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("group", "step", "start"), name="errorcount_once"
                    ),
                ],
            },
        ),
        migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
        migrations.RunSQL(TIDY, migrations.RunSQL.noop),
    ]
