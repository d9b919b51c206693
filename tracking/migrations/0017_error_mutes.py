import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("tracking", "0016_error_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErrorMute",
            fields=[
                (
                    "group",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="mute",
                        serialize=False,
                        to="tracking.errorgroup",
                    ),
                ),
                ("until", models.DateTimeField(help_text="Null: for ever.", null=True)),
                ("why", models.CharField(blank=True, max_length=200)),
                (
                    "by",
                    models.CharField(
                        help_text="Readable also when the user is gone.", max_length=200
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
    ]
