import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import now


class Application(models.Model):
    """A site or service that may send events."""

    name = models.CharField(max_length=200, unique=True)
    strict = models.BooleanField(
        "known types only",
        default=False,
        help_text="Reject events whose category and name are no event type. Otherwise they are "
        "stored, and only the fields that every event has are checked.",
    )
    secret_events_per_minute = models.PositiveIntegerField(
        "events a minute with a secret key",
        default=600_000,
        validators=[MinValueValidator(1)],
        help_text="For each key. More are refused with 429 until the minute is over.",
    )
    publishable_events_per_minute = models.PositiveIntegerField(
        "events a minute with a publishable key",
        default=60_000,
        validators=[MinValueValidator(1)],
        help_text="For each key. More are refused with 429 until the minute is over.",
    )
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
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")

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


class EventType(models.Model):
    """A category and a name, with a schema for the data of such events; see event_types.py."""

    application = models.ForeignKey(
        Application,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="event_types",
        help_text="Empty: for all applications. One application's own type goes before that.",
    )
    category = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    built_in = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["category", "name", F("application").asc(nulls_first=True)]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "category", "name"],
                nulls_distinct=False,
                name="eventtype_once",
                violation_error_message="There is such an event type already.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category} / {self.name}"


class SchemaVersion(models.Model):
    """One version of an event type's JSON Schema. The newest is the one that counts."""

    event_type = models.ForeignKey(EventType, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    schema = models.JSONField()
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["event_type", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["event_type", "number"], name="schemaversion_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type}, version {self.number}"


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
    created_at = models.DateTimeField("first seen", db_default=Now(), editable=False)
    first_at = models.DateTimeField("first event", null=True)
    last_at = models.DateTimeField("last event", null=True)
    event_count = models.BigIntegerField("events", default=0)
    error_count = models.BigIntegerField("errors", default=0)
    # Smallest received_at - sent_at seen: the sender's clock error plus the fastest trip.
    clock_offset_ms = models.FloatField(null=True)
    revision = models.BigIntegerField(default=0)
    rewritten = models.BigIntegerField(
        db_default=0, help_text="The last revision that changed or removed an event stored before."
    )
    report_revision = models.BigIntegerField(default=0)

    class Meta:
        ordering = [F("last_at").desc(nulls_last=True), "-id"]
        indexes = [
            # The admin's list, latest movement first, page by page.
            models.Index(F("last_at").desc(nulls_last=True), F("id").desc(), name="session_latest"),
            # The API's list, newest first: a place in it never changes.
            models.Index(F("created_at").desc(), F("id").desc(), name="session_newest"),
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
            # The same by name, and an application's events whatever they are.
            models.Index("application", "name", "id", name="event_names"),
            models.Index("application", "id", name="event_application"),
            # Events by arrival, which follows the order of the ids but for late ones.
            BrinIndex("received_at", name="event_arrival"),
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
    resolved_at = models.DateTimeField(
        null=True, help_text="When it was validated again, and stored."
    )

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
    category = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
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
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The API's lists: an application's errors, those of one code, and everyone's.
            models.Index("application", "created_at", name="eventerror_application"),
            models.Index("application", "code", "created_at", name="eventerror_code"),
            models.Index("created_at", name="eventerror_newest"),
            # What may be mended by validating again: all errors of one rejected event.
            models.Index("event", name="eventerror_event"),
            # The errors on a session's page and in its report.
            models.Index("session", "id", name="eventerror_session"),
        ]
        constraints = [
            # Also answers "the errors of this receipt".
            models.UniqueConstraint(
                fields=["receipt", "position", "field", "code"], name="eventerror_once"
            ),
        ]
        permissions = [("reprocess_eventerror", "Can reprocess rejected events")]

    def __str__(self) -> str:
        return f"{self.field}: {self.code}"


class DeletedEvent(models.Model):
    """A tombstone: an event with this id is not stored again. See erase.py."""

    id = models.UUIDField(primary_key=True)
    deleted_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"Deleted event {self.id}"


class ErasedSession(models.Model):
    """A tombstone: this session takes no more events, of one application or of any."""

    session_id = models.UUIDField()
    application = models.ForeignKey(
        Application, models.CASCADE, null=True, db_index=False, related_name="+"
    )
    erased_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            # Also answers "is this session erased?" while its events are digested.
            models.UniqueConstraint(
                fields=["session_id", "application"],
                nulls_distinct=False,
                name="erasedsession_once",
            ),
        ]

    def __str__(self) -> str:
        return f"Erased session {self.session_id}"


class AuditEntry(models.Model):
    """Who changed or removed what was stored. Holds no event's data, which may have to go."""

    class Action(models.TextChoices):
        CORRECTED = "event.corrected", "Event corrected"
        DELETED = "event.deleted", "Event deleted"
        ERASED = "session.erased", "Session erased"
        REPROCESSED = "errors.reprocessed", "Errors reprocessed"

    at = models.DateTimeField(default=now)
    actor = models.CharField(max_length=200, help_text="Readable also when user or key are gone.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, db_index=False, related_name="+")
    address = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=20, choices=Action)
    target = models.CharField(max_length=100, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.get_action_display()} by {self.actor}"
