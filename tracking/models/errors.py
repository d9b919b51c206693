"""What could not be stored."""

from django.db import models
from django.utils.timezone import now

from tracking.models.behaviour import Session
from tracking.models.intake import Receipt
from tracking.models.senders import Application


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
            # The admin's list: all errors of one kind, the newest first; from PostgreSQL 18 on also
            # those that have any of these in common.
            models.Index(
                "application", "category", "name", "field", "code", "id", name="eventerror_kind"
            ),
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
