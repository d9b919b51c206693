from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0013_audited"),
    ]

    operations = [
        migrations.AddField("tally", "written_at", models.DateTimeField(db_default=Now())),
    ]
