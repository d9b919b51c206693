from django.db import migrations, models

# A claim updates a row, and a page with room for the new versions of all its rows needs no new
# entries in the indexes for that.
ROOM = "ALTER TABLE tracking_batch SET (fillfactor = 45)"
LESS_ROOM = "ALTER TABLE tracking_batch SET (fillfactor = 70)"


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0009_retention"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                models.F("application"), models.F("id") + 0, name="batch_application"
            ),
        ),
        migrations.RunSQL(ROOM, LESS_ROOM),
    ]
