import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models

# What Django would make of the model, but partitioned by range of id, which is by time.
EVENT_TABLE = """
CREATE TABLE tracking_event (
    id uuid NOT NULL PRIMARY KEY,
    category varchar(200) NOT NULL,
    name varchar(200) NOT NULL,
    data jsonb NOT NULL,
    "timestamp" timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    application_id bigint NOT NULL,
    session_id uuid NOT NULL
) PARTITION BY RANGE (id)
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Application",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("first_at", models.DateTimeField(null=True, verbose_name="first event")),
                ("last_at", models.DateTimeField(null=True, verbose_name="last event")),
                ("event_count", models.BigIntegerField(default=0, verbose_name="events")),
                ("error_count", models.BigIntegerField(default=0, verbose_name="errors")),
                ("clock_offset_ms", models.FloatField(null=True)),
                ("revision", models.BigIntegerField(default=0)),
                ("report_revision", models.BigIntegerField(default=0)),
            ],
            options={
                "ordering": [
                    models.OrderBy(models.F("last_at"), descending=True, nulls_last=True),
                    "-id",
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("publishable", "Publishable (browsers: write only)"),
                            ("secret", "Secret (servers: write and read)"),
                        ],
                        max_length=11,
                    ),
                ),
                ("prefix", models.CharField(editable=False, max_length=12)),
                ("last_four", models.CharField(editable=False, max_length=4)),
                ("sha256", models.BinaryField(max_length=32, unique=True)),
                (
                    "origins",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=300),
                        blank=True,
                        default=list,
                        help_text="Where a publishable key may be used from: scheme, host and port, for example https://shop.example. This service's own pages always may.",
                        size=None,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="keys",
                        to="tracking.application",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["application", "-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("receipt", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("received_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("encoding", models.CharField(blank=True, max_length=8)),
                ("n_events", models.IntegerField(verbose_name="events")),
                ("size", models.IntegerField(verbose_name="bytes, unpacked")),
                ("attempts", models.SmallIntegerField(default=0)),
                ("body", models.BinaryField()),
                ("next_at", models.DateTimeField()),
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
                (
                    "key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("digested", "Digested"), ("set_aside", "Set aside")], max_length=9
                    ),
                ),
                ("received_at", models.DateTimeField()),
                ("digested_at", models.DateTimeField()),
                ("events", models.IntegerField()),
                ("stored", models.IntegerField(default=0)),
                ("duplicate", models.IntegerField(default=0)),
                ("rejected", models.IntegerField(default=0)),
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
                "ordering": ["-received_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="RejectedEvent",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("payload", models.TextField()),
                ("received_at", models.DateTimeField()),
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
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.session",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="EventError",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "position",
                    models.IntegerField(help_text="The event's place in its batch, from 0."),
                ),
                ("field", models.CharField(max_length=200)),
                ("code", models.CharField(max_length=50)),
                ("message", models.TextField()),
                ("value", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                (
                    "receipt",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="errors",
                        to="tracking.receipt",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="errors",
                        to="tracking.rejectedevent",
                        verbose_name="rejected event",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="errors",
                        to="tracking.session",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(EVENT_TABLE, "DROP TABLE tracking_event")],
            state_operations=[
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("category", models.CharField(max_length=200)),
                        ("name", models.CharField(max_length=200)),
                        ("data", models.JSONField()),
                        ("timestamp", models.DateTimeField()),
                        ("received_at", models.DateTimeField()),
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
                        (
                            "session",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="events",
                                to="tracking.session",
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-id"],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="SessionApplication",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "session_id",
                        "application_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "application",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="tracking.application",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="tracking.session",
                    ),
                ),
            ],
            options={
                "db_table": "tracking_session_application",
            },
        ),
        migrations.AddField(
            model_name="session",
            name="applications",
            field=models.ManyToManyField(
                related_name="sessions",
                through="tracking.SessionApplication",
                to="tracking.application",
            ),
        ),
        migrations.CreateModel(
            name="SetAsideBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("receipt", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("received_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("encoding", models.CharField(blank=True, max_length=8)),
                ("n_events", models.IntegerField(verbose_name="events")),
                ("size", models.IntegerField(verbose_name="bytes, unpacked")),
                ("attempts", models.SmallIntegerField(default=0)),
                ("body", models.BinaryField()),
                ("reason", models.TextField()),
                ("set_aside_at", models.DateTimeField(default=django.utils.timezone.now)),
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
                (
                    "key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name": "set-aside batch",
                "verbose_name_plural": "set-aside batches",
                "ordering": ["-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["publishable", "secret"])), name="apikey_kind"
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(
                models.OrderBy(models.F("received_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="receipt_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "set_aside"),
                    (
                        "events",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("stored"), "+", models.F("duplicate")
                            ),
                            "+",
                            models.F("rejected"),
                        ),
                    ),
                    _connector="OR",
                ),
                name="receipt_adds_up",
            ),
        ),
        migrations.AddIndex(
            model_name="eventerror",
            index=models.Index(models.F("session"), models.F("id"), name="eventerror_session"),
        ),
        migrations.AddConstraint(
            model_name="eventerror",
            constraint=models.UniqueConstraint(
                fields=("receipt", "position", "field", "code"), name="eventerror_once"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(models.F("session"), models.F("id"), name="event_timeline"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.F("application"), models.F("category"), models.F("id"), name="event_filters"
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                models.OrderBy(models.F("last_at"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                name="session_latest",
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                models.OrderBy(models.F("last_at"), descending=True, nulls_last=True),
                condition=models.Q(("report_revision__lt", models.F("revision"))),
                name="session_stale",
            ),
        ),
    ]
