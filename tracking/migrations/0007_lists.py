import django.contrib.postgres.indexes
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0006_reprocessing"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                verbose_name="first seen",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.F("application"), models.F("name"), models.F("id"), name="event_names"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(models.F("application"), models.F("id"), name="event_application"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=django.contrib.postgres.indexes.BrinIndex(
                models.F("received_at"), name="event_arrival"
            ),
        ),
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(
                models.F("application"), models.F("created_at"), name="eventerror_application"
            ),
        ),
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(
                models.F("application"),
                models.F("code"),
                models.F("created_at"),
                name="eventerror_code",
            ),
        ),
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(models.F("created_at"), name="eventerror_newest"),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="session_newest",
            ),
        ),
    ]
