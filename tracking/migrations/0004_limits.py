import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0003_event_types"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="last_used_at",
            field=models.DateTimeField(editable=False, help_text="To the minute.", null=True),
        ),
        migrations.AddField(
            model_name="application",
            name="publishable_events_per_minute",
            field=models.PositiveIntegerField(
                default=60000,
                help_text="For each key. More are refused with 429 until the minute is over.",
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="events a minute with a publishable key",
            ),
        ),
        migrations.AddField(
            model_name="application",
            name="secret_events_per_minute",
            field=models.PositiveIntegerField(
                default=600000,
                help_text="For each key. More are refused with 429 until the minute is over.",
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="events a minute with a secret key",
            ),
        ),
    ]
