from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0011_tally"),
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
                ],
                max_length=20,
            ),
        ),
    ]
