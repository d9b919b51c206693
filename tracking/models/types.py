"""What kinds of events there are."""

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils.timezone import now

from tracking.models.senders import Application


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
