from django.db import migrations, models
from django.db.models import Value


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0006_heat"),
        ("tracking", "0015_tally_kinds"),
    ]

    operations = [
        migrations.AddField(
            "rollup",
            "kinds",
            models.JSONField(
                default=dict,
                db_default=Value({}, models.JSONField()),
                help_text="How many stored events of each category and name.",
            ),
        ),
    ]
