from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("reports", "0004_rebuild"),
    ]

    operations = [
        migrations.AddField("rollupchange", "written_at", models.DateTimeField(db_default=Now())),
    ]
