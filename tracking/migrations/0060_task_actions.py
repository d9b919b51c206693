from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0014_tally_written"),
    ]

    operations = [
        migrations.AlterField(
            model_name="auditentry",
            name="action",
            field=models.CharField(
                choices=[
                    ("event.corrected", "Event corrected"),
                    ("event.deleted", "Event deleted"),
                    ("session.erased", "Session erased"),
                    ("errors.reprocessed", "Errors reprocessed"),
                    ("reports.exported", "Reports exported"),
                    ("rebuild.started", "Rebuild of reports started"),
                    ("rebuild.paused", "Rebuild of reports paused"),
                    ("rebuild.resumed", "Rebuild of reports resumed"),
                    ("rebuild.cancelled", "Rebuild of reports cancelled"),
                    ("task.retried", "Failed task run again"),
                    ("task.requeued", "Stuck task queued again"),
                    ("task.run", "Periodic task run by hand"),
                    ("task.paused", "Periodic task paused"),
                    ("task.resumed", "Periodic task resumed"),
                ],
                max_length=20,
            ),
        ),
    ]
