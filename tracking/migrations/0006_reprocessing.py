from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0005_corrections"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="eventerror",
            options={
                "ordering": ["-id"],
                "permissions": [("reprocess_eventerror", "Can reprocess rejected events")],
            },
        ),
        migrations.AddField(
            model_name="eventerror",
            name="category",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="eventerror",
            name="name",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="eventerror",
            name="resolved_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="rejectedevent",
            name="resolved_at",
            field=models.DateTimeField(
                help_text="When it was validated again, and stored.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(models.F("event"), name="eventerror_event"),
        ),
    ]
