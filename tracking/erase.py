"""Removing for good: one event, or all that a session left. A late retry brings neither back."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from tracking import audit, locks, tombstones
from tracking.audit import Actor
from tracking.event_types import Types
from tracking.models import AuditEntry, Event, EventError, RejectedEvent, Session
from tracking.signals import sessions_changed
from tracking.validation import ValidEvent, validate

NO_TYPES = Types({}, frozenset())

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
        _, open_errors = _erase_rejected(_as_rejected(event))
        # By a statement of its own, so that the next one sees what a digest stored meanwhile.
        Session.objects.select_for_update(no_key=True).filter(pk=event.session_id).first()
        _shrink(event.session_id, 1, open_errors)
        audit.record(actor, AuditEntry.Action.DELETED, event.pk)
    sessions_changed.send(sender=None, session_ids=[event.session_id])


def _as_rejected(event: Event) -> list[UUID]:
    """The same event where it was rejected, before its schema was mended or its time had come."""
    rows = _rejected(Q(session_id=event.session_id, application_id=event.application_id))
    return [row.pk for row in rows.iterator() if _id_of(row) == event.pk]


def _id_of(row: RejectedEvent) -> UUID | None:
    valid = validate(row.payload.encode(), row.application_id, now(), NO_TYPES)
    return valid.id if isinstance(valid, ValidEvent) else None


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
    """The session last, as all do who lock it: it may be waited for with its rows in hand."""
    theirs = Q() if application_id is None else Q(application_id=application_id)
    mine = Q(session_id=id) & theirs
    rejected, open_errors = _erase_rejected(_rejected(mine).values_list("pk", flat=True))
    events, _ = Event.objects.filter(mine).delete()
    session = Session.objects.select_for_update().filter(pk=id).first()
    if session is not None:
        session.sessionapplication_set.filter(theirs).delete()
        if session.sessionapplication_set.exists():
            _shrink(id, events, open_errors)
        else:
            session.delete()
    return {"events": events, "rejected": rejected}


def _rejected(mine: Q) -> QuerySet[RejectedEvent]:
    """Found by their errors, which have an index by session."""
    return RejectedEvent.objects.filter(pk__in=EventError.objects.filter(mine).values("event"))


def _erase_rejected(ids: Iterable[UUID]) -> tuple[int, int]:
    """Removes rejected events with their errors; how many there were, and how many were open."""
    rows = RejectedEvent.objects.filter(pk__in=list(ids))
    resolved = rows.order_by("pk").select_for_update().values_list("resolved_at", flat=True)
    moments = list(resolved)
    EventError.objects.filter(event__in=rows.values("pk")).delete()
    rows.delete()
    return len(moments), moments.count(None)


def _shrink(session_id: UUID, events: int, errors: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SHRINK, {"session": session_id, "events": events, "errors": errors})
