from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0019_audit_of_staff"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(
                models.F("application"),
                models.F("category"),
                models.F("name"),
                models.F("field"),
                models.F("code"),
                models.F("id"),
                name="eventerror_kind",
            ),
        ),
    ]
