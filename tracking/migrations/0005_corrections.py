import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0004_limits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "actor",
                    models.CharField(
                        help_text="Readable also when user or key are gone.", max_length=200
                    ),
                ),
                ("address", models.GenericIPAddressField(null=True)),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("event.corrected", "Event corrected"),
                            ("event.deleted", "Event deleted"),
                            ("session.erased", "Session erased"),
                            ("errors.reprocessed", "Errors reprocessed"),
                        ],
                        max_length=20,
                    ),
                ),
                ("target", models.CharField(blank=True, max_length=100)),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="DeletedEvent",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("deleted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="ErasedSession",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_id", models.UUIDField()),
                ("erased_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name="session",
            name="rewritten",
            field=models.BigIntegerField(
                db_default=0,
                help_text="The last revision that changed or removed an event stored before.",
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="key",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="tracking.apikey",
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="erasedsession",
            name="application",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tracking.application",
            ),
        ),
        migrations.AddConstraint(
            model_name="erasedsession",
            constraint=models.UniqueConstraint(
                fields=("session_id", "application"),
                name="erasedsession_once",
                nulls_distinct=False,
            ),
        ),
    ]
