"""Errors of one kind together: how many there are, when, and who wants to see them."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.timezone import now

from tracking.models.senders import Application


class ErrorKind(models.Model):
    """What errors of one group have in common."""

    application = models.ForeignKey(
        Application, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    category = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200, blank=True)
    field = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=50, blank=True)

    class Meta:
        abstract = True


class ErrorChange(ErrorKind):
    """An outbox: each row is to be added to the counts of its group, and then deleted.

    Written in the transaction that writes, resolves or deletes the errors which it counts, all of
    one minute by the time when they were found. What is deleted is a difference below zero.
    """

    minute = models.DateTimeField()
    errors = models.IntegerField()
    resolved = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    example_id = models.BigIntegerField(help_text="The latest of these errors.")
    written_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Change {self.id}"


class ErrorGroup(ErrorKind):
    """All errors of one kind that there are; see error_groups.py.

    The id is a hash of the kind. In the field, any place of an array is `[*]`. Without a code it is
    the rest: what an application has beyond as many groups as it may have.
    """

    id = models.UUIDField(primary_key=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    errors = models.BigIntegerField()
    resolved = models.BigIntegerField()
    example_id = models.BigIntegerField(help_text="The latest error, which may be gone by now.")

    class Meta:
        default_permissions = ()
        permissions = [("mute_errorgroup", "Can mute groups of errors")]
        indexes = [
            # How many an application has; those of one application on the page of groups.
            models.Index("application", name="errorgroup_application"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.code}" if self.code else "the rest"

    @property
    def is_rest(self) -> bool:
        return not self.code


class ErrorCount(models.Model):
    """How many errors of a group a span of time had, by the time when they were found."""

    class Step(models.IntegerChoices):
        """In seconds."""

        MINUTE = 60
        HOUR = 3_600
        QUARTER = 21_600
        DAY = 86_400

    group = models.ForeignKey(
        ErrorGroup, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="counts"
    )
    step = models.IntegerField(choices=Step)
    start = models.DateTimeField()
    errors = models.BigIntegerField()
    resolved = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            # Also answers "this group, span by span", which is drawn on the page of groups.
            models.UniqueConstraint(fields=["group", "step", "start"], name="errorcount_once"),
        ]
        indexes = [
            # What all groups had in a period, from the index alone; and what is too old to be kept.
            models.Index(
                fields=["step", "start"],
                include=["group", "errors", "resolved"],
                name="errorcount_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.errors} from {self.start}"


class ErrorMute(models.Model):
    """Somebody does not want to see a group for a while. It is counted all the same."""

    # Outlives the group, which goes with its last error and may come back.
    group = models.OneToOneField(
        ErrorGroup, models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="mute"
    )
    until = models.DateTimeField(null=True, help_text="Null: for ever.")
    why = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=200, help_text="Readable also when the user is gone.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, db_index=False, related_name="+"
    )
    at = models.DateTimeField(default=now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Muted by {self.by}"
