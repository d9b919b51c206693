import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tracking", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SessionReport",
            fields=[
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="report",
                        serialize=False,
                        to="tracking.session",
                    ),
                ),
                (
                    "version",
                    models.CharField(help_text="The algorithm and its parameters.", max_length=20),
                ),
                (
                    "revision",
                    models.BigIntegerField(
                        help_text="The session's revision that this report saw."
                    ),
                ),
                ("computed_at", models.DateTimeField()),
                (
                    "data_until",
                    models.DateTimeField(help_text="The last event or pointer sample.", null=True),
                ),
                ("build", models.BigIntegerField()),
                (
                    "anew_build",
                    models.BigIntegerField(help_text="The last build that folded all events anew."),
                ),
                ("state", models.BinaryField(null=True)),
                ("events", models.BigIntegerField()),
                ("by_category", models.JSONField()),
                ("by_name", models.JSONField()),
                ("other_kinds", models.BigIntegerField()),
                ("errors", models.BigIntegerField()),
                ("page_views", models.BigIntegerField()),
                ("submits", models.BigIntegerField()),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("duration_ms", models.FloatField(null=True, verbose_name="duration (ms)")),
                ("active_ms", models.FloatField(verbose_name="active (ms)")),
                ("samples", models.BigIntegerField()),
                ("distance_px", models.FloatField(verbose_name="distance (px)")),
                ("observed_ms", models.FloatField(verbose_name="observed (ms)")),
                ("moving_ms", models.FloatField(verbose_name="moving (ms)")),
                ("span_ms", models.FloatField(null=True, verbose_name="span (ms)")),
                (
                    "mean_speed",
                    models.FloatField(null=True, verbose_name="mean speed while moving (px/s)"),
                ),
                (
                    "mean_speed_elapsed",
                    models.FloatField(null=True, verbose_name="mean speed over the span (px/s)"),
                ),
                ("speed_p50", models.FloatField(null=True, verbose_name="median speed (px/s)")),
                ("speed_p95", models.FloatField(null=True, verbose_name="p95 speed (px/s)")),
                ("peak_speed", models.FloatField(null=True, verbose_name="peak speed (px/s)")),
                (
                    "median_dt_ms",
                    models.FloatField(null=True, verbose_name="median sampling interval (ms)"),
                ),
                (
                    "acceleration_p95",
                    models.FloatField(null=True, verbose_name="p95 acceleration (px/s²)"),
                ),
                ("strokes", models.BigIntegerField()),
                ("gaps", models.BigIntegerField()),
                ("straightness", models.FloatField(null=True)),
                ("turning_rad", models.FloatField(verbose_name="turning (rad)")),
                ("flips_x", models.BigIntegerField(verbose_name="flips along x")),
                ("flips_y", models.BigIntegerField(verbose_name="flips along y")),
                ("clicks", models.BigIntegerField()),
                ("rage_bursts", models.BigIntegerField()),
                (
                    "flags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), size=None
                    ),
                ),
            ],
            options={
                "ordering": [
                    models.OrderBy(models.F("ended_at"), descending=True, nulls_last=True),
                    "-session_id",
                ],
                "permissions": [("recompute_sessionreport", "Can recompute session reports")],
                "indexes": [
                    models.Index(
                        models.OrderBy(models.F("ended_at"), descending=True, nulls_last=True),
                        models.OrderBy(models.F("session_id"), descending=True),
                        name="report_latest",
                    ),
                    models.Index(models.F("version"), name="report_version"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PointerSecond",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "session_id",
                        "second",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("second", models.DateTimeField()),
                ("distance_px", models.FloatField()),
                ("moving_ms", models.FloatField()),
                ("peak_speed", models.FloatField(null=True)),
                ("samples", models.IntegerField()),
                ("build", models.BigIntegerField()),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pointer_seconds",
                        to="tracking.session",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(models.F("session"), models.F("build"), name="pointersecond_since")
                ],
            },
        ),
    ]
