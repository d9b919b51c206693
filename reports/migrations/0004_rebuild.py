from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial"), ("tracking", "0012_expired")]

    operations = [
        migrations.AddField(
            model_name="sessionreport",
            name="final",
            field=models.BooleanField(
                db_default=False,
                help_text="Never computed anew: events that it is of have expired.",
            ),
        ),
    ]
