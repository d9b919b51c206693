from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0014_tally_written"),
    ]

    operations = [
        migrations.AddField("tally", "kinds", models.JSONField(null=True)),
    ]
