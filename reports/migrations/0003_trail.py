import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0002_rollups"),
    ]

    operations = [
        migrations.CreateModel(
            name="SessionTrail",
            fields=[
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="trail",
                        serialize=False,
                        to="tracking.session",
                    ),
                ),
                ("version", models.CharField(max_length=20)),
                (
                    "revision",
                    models.BigIntegerField(help_text="The session's revision that this trail saw."),
                ),
                ("computed_at", models.DateTimeField()),
                ("content", models.BinaryField()),
            ],
        ),
    ]
