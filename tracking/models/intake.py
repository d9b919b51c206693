"""What was accepted, and what became of it."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.timezone import now

from tracking.models.senders import ApiKey, Application


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
        indexes = [
            # Which applications wait, and which batches are each one's oldest: see claims.py.
            models.Index("application", F("id") + 0, name="batch_application"),
        ]


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


class Tally(models.Model):
    """An outbox of counts: each row is to be added to the sums of its minute, and then deleted.

    Written in the transaction that changes what it counts: events by what became of them, of
    digested receipts, at the minute these were received; or errors of one code, at the minute of
    the errors; or stored events by what they are called, at the minute these were received. Where
    rejected events are stored later, the row is the difference. What is deleted or resolved takes
    nothing back.
    """

    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    minute = models.DateTimeField()
    written_at = models.DateTimeField(db_default=Now())
    sent = models.IntegerField(db_default=0)
    stored = models.IntegerField(db_default=0)
    duplicate = models.IntegerField(db_default=0)
    rejected = models.IntegerField(db_default=0)
    # Null: the row counts events, or kinds.
    code = models.CharField(max_length=50, null=True)  # noqa: DJ001
    errors = models.IntegerField(db_default=0)
    # By category and name: see kind_counts.py. Null: the row counts something else.
    kinds = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(sent=F("stored") + F("duplicate") + F("rejected")),
                name="tally_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"Tally {self.id}"
