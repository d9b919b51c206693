"""What was changed, removed or taken away, and by whom."""

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils.timezone import now

from tracking.models.senders import ApiKey, Application


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
    """Who changed, removed or exported what, or signed in. Holds no event's data, which may have to go."""

    class Action(models.TextChoices):
        CORRECTED = "event.corrected", "Event corrected"
        DELETED = "event.deleted", "Event deleted"
        ERASED = "session.erased", "Session erased"
        REPLAYED = "batch.replayed", "Set-aside batch replayed"
        RECOMPUTED = "report.recomputed", "Report recomputed"
        REPROCESSED = "errors.reprocessed", "Errors reprocessed"
        MUTED = "errors.muted", "Errors muted"
        UNMUTED = "errors.unmuted", "Errors unmuted"
        EXPORTED = "reports.exported", "Reports exported"
        REBUILD_STARTED = "rebuild.started", "Rebuild of reports started"
        REBUILD_PAUSED = "rebuild.paused", "Rebuild of reports paused"
        REBUILD_RESUMED = "rebuild.resumed", "Rebuild of reports resumed"
        REBUILD_CANCELLED = "rebuild.cancelled", "Rebuild of reports cancelled"
        TASK_RETRIED = "task.retried", "Failed task run again"
        TASK_REQUEUED = "task.requeued", "Stuck task queued again"
        TASK_RUN = "task.run", "Periodic task run by hand"
        TASK_PAUSED = "task.paused", "Periodic task paused"
        TASK_RESUMED = "task.resumed", "Periodic task resumed"
        ADDED = "record.added", "Added"
        CHANGED = "record.changed", "Changed"
        REMOVED = "record.deleted", "Deleted"
        SIGNED_IN = "staff.signed_in", "Signed in"
        SIGNED_OUT = "staff.signed_out", "Signed out"
        SIGN_IN_FAILED = "staff.sign_in_failed", "Sign-in failed"
        SIGN_IN_REFUSED = "staff.refused", "Sign-in refused"
        PASSWORD_CHANGED = "staff.password", "Own password changed"

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
        indexes = [
            # The list, of one kind of action.
            models.Index("action", F("id").desc(), name="auditentry_action"),
        ]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.get_action_display()} by {self.actor}"
