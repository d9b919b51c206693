import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0002_partitions_and_queue"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EventType",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("category", models.CharField(max_length=200)),
                ("name", models.CharField(max_length=200)),
                ("built_in", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "ordering": [
                    "category",
                    "name",
                    models.OrderBy(models.F("application"), nulls_first=True),
                ],
            },
        ),
        migrations.CreateModel(
            name="SchemaVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("schema", models.JSONField()),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "ordering": ["event_type", "-number"],
            },
        ),
        migrations.AddField(
            model_name="application",
            name="strict",
            field=models.BooleanField(
                default=False,
                help_text="Reject events whose category and name are no event type. Otherwise they are stored, and only the fields that every event has are checked.",
                verbose_name="known types only",
            ),
        ),
        migrations.AddField(
            model_name="eventtype",
            name="application",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: for all applications. One application's own type goes before that.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="event_types",
                to="tracking.application",
            ),
        ),
        migrations.AddField(
            model_name="schemaversion",
            name="created_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="schemaversion",
            name="event_type",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="tracking.eventtype",
            ),
        ),
        migrations.AddConstraint(
            model_name="eventtype",
            constraint=models.UniqueConstraint(
                fields=("application", "category", "name"),
                name="eventtype_once",
                nulls_distinct=False,
                violation_error_message="There is such an event type already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="schemaversion",
            constraint=models.UniqueConstraint(
                fields=("event_type", "number"), name="schemaversion_once"
            ),
        ),
    ]
