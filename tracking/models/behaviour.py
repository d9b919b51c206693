"""What happened."""

import uuid
from datetime import timedelta

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan

from tracking.models.senders import Application


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
    expired_events = models.BigIntegerField(
        db_default=0, help_text="Events that it had, and that are kept no longer."
    )
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
    def total_events(self) -> int:
        """All that it ever had, less those that were deleted."""
        return self.event_count + self.expired_events

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


# What is received longer than this after its timestamp is late. (In the words of the condition
# of an index, which must not depend on a time zone.)
LATE = timedelta(hours=1)
IS_LATE = GreaterThan(
    ExpressionWrapper(F("received_at") - F("timestamp"), models.DurationField()), LATE
)


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
            # Those late ones, by which the events received since a moment reach back behind it.
            models.Index("id", condition=Q(IS_LATE), name="event_late"),
        ]

    def __str__(self) -> str:
        return f"{self.category} / {self.name}"
