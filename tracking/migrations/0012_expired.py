import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0011_tally")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="expired_events",
            field=models.BigIntegerField(
                db_default=0, help_text="Events that it had, and that are kept no longer."
            ),
        ),
        migrations.AlterField(
            model_name="application",
            name="retention_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: for ever. Events with an older timestamp are rejected, and stored ones are deleted for good, once a day; their sessions keep the reports, which cannot be computed anew then. Rejected events are deleted that long after they came.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000),
                ],
                verbose_name="keep events for (days)",
            ),
        ),
    ]
