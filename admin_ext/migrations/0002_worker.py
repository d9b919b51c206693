from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("admin_ext", "0001_given_permissions")]

    operations = [
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("pid", models.PositiveIntegerField()),
                (
                    "processes",
                    models.PositiveIntegerField(help_text="How many tasks it does at once."),
                ),
                ("queues", models.JSONField(default=list)),
                (
                    "running",
                    models.JSONField(default=list, help_text="The ids and names of what it is at."),
                ),
                ("started_at", models.DateTimeField()),
                ("beat_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name"],
                "default_permissions": (),
                "permissions": [("run_task_again", "Can run tasks again")],
            },
        ),
    ]
