import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now


class Application(models.Model):
    """A site or service that may send events."""

    name = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """What an application signs in with. The key itself is shown once and never stored."""

    class Kind(models.TextChoices):
        PUBLISHABLE = "publishable", "Publishable (browsers: write only)"
        SECRET = "secret", "Secret (servers: write and read)"

    application = models.ForeignKey(Application, models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=11, choices=Kind)
    prefix = models.CharField(max_length=12, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    sha256 = models.BinaryField(max_length=32, unique=True, editable=False)
    origins = ArrayField(
        models.CharField(max_length=300),
        default=list,
        blank=True,
        help_text="Where a publishable key may be used from: scheme, host and port, "
        "for example https://shop.example. This service's own pages always may.",
    )
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["application", "-created_at"]
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["publishable", "secret"]), name="apikey_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"


class BatchColumns(models.Model):
    """One accepted request body, raw, and where it came from."""

    receipt = models.UUIDField(unique=True, default=uuid.uuid4)
    # Not constrained in the database: the accept path is one INSERT that locks nothing else.
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    key = models.ForeignKey(
        ApiKey, models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    received_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    encoding = models.CharField(max_length=8, blank=True)
    n_events = models.IntegerField("events")
    size = models.IntegerField("bytes, unpacked")
    attempts = models.SmallIntegerField(default=0)
    body = models.BinaryField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Batch {self.receipt}"


class Batch(BatchColumns):
    """The inbox: what waits to be digested. A row lives for milliseconds."""

    next_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "batches"
        ordering = ["id"]


class SetAsideBatch(BatchColumns):
    """A batch that could not be digested: kept with its body and the reason, to be replayed."""

    reason = models.TextField()
    set_aside_at = models.DateTimeField(default=now)

    class Meta:
        verbose_name = "set-aside batch"
        verbose_name_plural = "set-aside batches"
        ordering = ["-id"]


class Receipt(models.Model):
    """What became of a batch. It is written when the batch leaves the inbox."""

    class State(models.TextChoices):
        DIGESTED = "digested", "Digested"
        SET_ASIDE = "set_aside", "Set aside"

    id = models.UUIDField(primary_key=True)
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    state = models.CharField(max_length=9, choices=State)
    received_at = models.DateTimeField()
    digested_at = models.DateTimeField()
    events = models.IntegerField()
    stored = models.IntegerField(default=0)
    duplicate = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            # The admin's list, newest first, page by page.
            models.Index(F("received_at").desc(), F("id").desc(), name="receipt_newest"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="set_aside")
                | Q(events=F("stored") + F("duplicate") + F("rejected")),
                name="receipt_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"Receipt {self.id}"


class Session(models.Model):
    """The events that share a session id. Counters change only with rows really inserted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    applications = models.ManyToManyField(
        Application, through="SessionApplication", related_name="sessions"
    )
    first_at = models.DateTimeField("first event", null=True)
    last_at = models.DateTimeField("last event", null=True)
    event_count = models.BigIntegerField("events", default=0)
    error_count = models.BigIntegerField("errors", default=0)
    # Smallest received_at - sent_at seen: the sender's clock error plus the fastest trip.
    clock_offset_ms = models.FloatField(null=True)
    revision = models.BigIntegerField(default=0)
    report_revision = models.BigIntegerField(default=0)

    class Meta:
        ordering = [F("last_at").desc(nulls_last=True), "-id"]
        indexes = [
            # The admin's list, latest movement first, page by page.
            models.Index(F("last_at").desc(nulls_last=True), F("id").desc(), name="session_latest"),
            # What the report builder looks for.
            models.Index(
                F("last_at").desc(nulls_last=True),
                condition=Q(report_revision__lt=F("revision")),
                name="session_stale",
            ),
        ]

    def __str__(self) -> str:
        return f"Session {self.id}"

    @property
    def stale(self) -> bool:
        return self.report_revision < self.revision


class SessionApplication(models.Model):
    pk = models.CompositePrimaryKey("session_id", "application_id")
    session = models.ForeignKey(Session, models.CASCADE, db_constraint=False, db_index=False)
    application = models.ForeignKey(Application, models.CASCADE, db_constraint=False)

    class Meta:
        db_table = "tracking_session_application"

    def __str__(self) -> str:
        return f"{self.application_id} in {self.session_id}"


class Event(models.Model):
    """One thing that happened. Partitioned by id, which is by time: see partitions.py."""

    id = models.UUIDField(primary_key=True)
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    session = models.ForeignKey(
        Session, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    category = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    data = models.JSONField()
    timestamp = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            # A session's timeline, and the events a report folds.
            models.Index("session", "id", name="event_timeline"),
            # The lists filtered by application and category, newest first.
            models.Index("application", "category", "id", name="event_filters"),
        ]

    def __str__(self) -> str:
        return f"{self.category} / {self.name}"


class RejectedEvent(models.Model):
    """An event that could not be stored, as it was sent. Sent again it is the same one."""

    id = models.UUIDField(primary_key=True)
    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    session = models.ForeignKey(
        Session,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    payload = models.TextField()
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Rejected event {self.id}"


class EventError(models.Model):
    """One wrong field of one rejected event."""

    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    receipt = models.ForeignKey(
        Receipt, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="errors"
    )
    position = models.IntegerField(help_text="The event's place in its batch, from 0.")
    session = models.ForeignKey(
        Session,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="errors",
    )
    field = models.CharField(max_length=200)
    code = models.CharField(max_length=50)
    message = models.TextField()
    value = models.CharField(max_length=200, blank=True)
    event = models.ForeignKey(
        RejectedEvent,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="errors",
        verbose_name="rejected event",
    )
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The errors on a session's page and in its report.
            models.Index("session", "id", name="eventerror_session"),
        ]
        constraints = [
            # Also answers "the errors of this receipt".
            models.UniqueConstraint(
                fields=["receipt", "position", "field", "code"], name="eventerror_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.code}"
