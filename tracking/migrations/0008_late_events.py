import datetime

import django.db.models.expressions
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0007_lists"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.F("id"),
                condition=models.Q(
                    django.db.models.lookups.GreaterThan(
                        models.ExpressionWrapper(
                            django.db.models.expressions.CombinedExpression(
                                models.F("received_at"), "-", models.F("timestamp")
                            ),
                            models.DurationField(),
                        ),
                        datetime.timedelta(seconds=3600),
                    )
                ),
                name="event_late",
            ),
        ),
    ]
