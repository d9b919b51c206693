from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0020_errors_of_a_kind"),
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
                    ("batch.replayed", "Set-aside batch replayed"),
                    ("report.recomputed", "Report recomputed"),
                    ("errors.reprocessed", "Errors reprocessed"),
                    ("errors.muted", "Errors muted"),
                    ("errors.unmuted", "Errors unmuted"),
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
                    ("record.added", "Added"),
                    ("record.changed", "Changed"),
                    ("record.deleted", "Deleted"),
                    ("staff.signed_in", "Signed in"),
                    ("staff.signed_out", "Signed out"),
                    ("staff.sign_in_failed", "Sign-in failed"),
                    ("staff.refused", "Sign-in refused"),
                    ("staff.password", "Own password changed"),
                ],
                max_length=20,
            ),
        ),
    ]
