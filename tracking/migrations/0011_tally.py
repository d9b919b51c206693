import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

# Rows live for moments, as in the inbox: vacuum by how much has died.
QUEUE = """
ALTER TABLE tracking_tally SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000
)
"""
# What was counted before there was a table for it.
FILL = """
INSERT INTO tracking_tally (application_id, minute, sent, stored, duplicate, rejected)
SELECT application_id, date_trunc('minute', received_at), sum(events), sum(stored), sum(duplicate),
       sum(rejected)
  FROM tracking_receipt WHERE state = 'digested' GROUP BY 1, 2;
INSERT INTO tracking_tally (application_id, minute, code, errors)
SELECT application_id, date_trunc('minute', created_at), code, count(*)
  FROM tracking_eventerror GROUP BY 1, 2, 3
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0010_fair_claims"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField()),
                ("sent", models.IntegerField(db_default=0)),
                ("stored", models.IntegerField(db_default=0)),
                ("duplicate", models.IntegerField(db_default=0)),
                ("rejected", models.IntegerField(db_default=0)),
                ("code", models.CharField(max_length=50, null=True)),
                ("errors", models.IntegerField(db_default=0)),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.application",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "sent",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("stored"), "+", models.F("duplicate")
                                    ),
                                    "+",
                                    models.F("rejected"),
                                ),
                            )
                        ),
                        name="tally_adds_up",
                    )
                ],
            },
        ),
        migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
