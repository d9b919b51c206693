"""Removing for good: one event, or all that a session left. A late retry brings neither back."""

from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from tracking import audit, locks, tombstones
from tracking.audit import Actor
from tracking.models import AuditEntry, Event, EventError, RejectedEvent, Session
from tracking.signals import sessions_changed

# The counters follow the rows that went; the span is read anew, from both ends of the timeline.
SHRINK = """
UPDATE tracking_session AS session
   SET event_count = event_count - %(events)s, error_count = error_count - %(errors)s,
       first_at = (SELECT "timestamp" FROM tracking_event
                    WHERE session_id = session.id ORDER BY id LIMIT 1),
       last_at = (SELECT "timestamp" FROM tracking_event
                   WHERE session_id = session.id ORDER BY id DESC LIMIT 1),
       revision = revision + 1, rewritten = revision + 1
 WHERE id = %(session)s
"""


def delete_event(event: Event, actor: Actor) -> None:
    """Deletes a stored event; its session's report is built anew."""
    tombstones.place_for_event(event.pk)
    with transaction.atomic():
        deleted, _ = Event.objects.filter(pk=event.pk).delete()
        if not deleted:  # somebody else was quicker
            return
        _shrink(event.session_id, events=1)
        kind = {"category": event.category, "name": event.name}
        audit.record(actor, AuditEntry.Action.DELETED, event.pk, **kind)
    sessions_changed.send(sender=None, session_ids=[event.session_id])


def erase_session(id: UUID, application_id: int | None, actor: Actor) -> dict[str, int]:
    """Removes a session's events, errors and report; how many events and rejected events it was.

    With an application, only what that application sent: where others sent to the session as
    well, it stays with theirs.
    """
    tombstones.place_for_session(id, application_id)
    with transaction.atomic():
        locks.session(id)
        counts = _erase_rows(id, application_id)
        audit.record(actor, AuditEntry.Action.ERASED, id, application_id=application_id, **counts)
    sessions_changed.send(sender=None, session_ids=[id])
    return counts


def _erase_rows(id: UUID, application_id: int | None) -> dict[str, int]:
    session = Session.objects.select_for_update().filter(pk=id).first()
    theirs = Q() if application_id is None else Q(application_id=application_id)
    mine = Q(session_id=id) & theirs
    open_errors = RejectedEvent.objects.filter(mine, resolved_at=None).count()
    EventError.objects.filter(mine).delete()
    rejected, _ = RejectedEvent.objects.filter(mine).delete()
    events, _ = Event.objects.filter(mine).delete()
    if session is not None:
        session.sessionapplication_set.filter(theirs).delete()
        if session.sessionapplication_set.exists():
            _shrink(id, events, open_errors)
        else:
            session.delete()
    return {"events": events, "rejected": rejected}


def _shrink(session_id: UUID, events: int = 0, errors: int = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SHRINK, {"session": session_id, "events": events, "errors": errors})
