"""Removing for good: one event, or all that a session left. A late retry brings neither back."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from tracking import audit, error_changes, locks, tombstones
from tracking.audit import Actor
from tracking.event_types import Types
from tracking.models import (
    AuditEntry,
    Event,
    EventError,
    RejectedEvent,
    Session,
    SessionApplication,
)
from tracking.signals import events_expiring, session_erasing, sessions_changed
from tracking.validation import ValidEvent, validate

NO_TYPES = Types({}, frozenset())


class Removed(NamedTuple):
    """What was removed of a session, and whose it was, or None for several applications' events.

    An error counts where it was open.
    """

    session_id: UUID | None
    application_id: int | None
    events: int
    errors: int


REMOVED = """
  FROM (
    SELECT session_id, sum(events) AS events, sum(errors) AS errors
      FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS part(session_id, events, errors)
     GROUP BY session_id
  ) AS removed
 WHERE session.id = removed.session_id
"""
# The counters follow the rows that went; the span is read anew, from both ends of the timeline,
# unless there were events beyond them.
SHRINK = f"""
UPDATE tracking_session AS session
   SET event_count = event_count - removed.events, error_count = error_count - removed.errors,
       first_at = CASE WHEN expired_events > 0 THEN first_at ELSE (
                    SELECT "timestamp" FROM tracking_event
                     WHERE session_id = session.id ORDER BY id LIMIT 1) END,
       last_at = CASE WHEN expired_events > 0 THEN last_at ELSE (
                   SELECT "timestamp" FROM tracking_event
                    WHERE session_id = session.id ORDER BY id DESC LIMIT 1) END,
       revision = revision + 1, rewritten = revision + 1
{REMOVED}"""
# What is kept no longer was there all the same: it is in the report, and in the span.
EXPIRE = f"""
UPDATE tracking_session AS session
   SET event_count = event_count - removed.events,
       expired_events = expired_events + removed.events,
       error_count = error_count - removed.errors,
       revision = revision + (removed.errors > 0)::int
{REMOVED}"""
# What is left is looked up for each part, in the index of its session: a join might read it all.
# A part without an application is of all that the session has. Whose events have expired is not
# known, so that nobody leaves a session that had such.
UNLINK = """
DELETE FROM tracking_session_application AS link
 USING unnest(%s::uuid[], %s::bigint[]) AS part(session_id, application_id)
 WHERE link.session_id = part.session_id
   AND link.application_id = coalesce(part.application_id, link.application_id)
   AND NOT EXISTS (SELECT FROM tracking_session
                    WHERE id = link.session_id AND expired_events > 0)
   AND (SELECT id FROM tracking_event AS event
         WHERE (event.session_id, event.application_id) = (link.session_id, link.application_id)
         LIMIT 1) IS NULL
   AND (SELECT id FROM tracking_eventerror AS error
         WHERE (error.session_id, error.application_id) = (link.session_id, link.application_id)
         LIMIT 1) IS NULL
"""
# What sessions count beyond what there is.
SURPLUS = """
SELECT id, event_count - (SELECT count(*) FROM tracking_event WHERE session_id = session.id)
  FROM tracking_session AS session WHERE id = ANY(%s)
"""


def delete_event(event: Event, actor: Actor) -> None:
    """Deletes a stored event; its session's report is built anew."""
    tombstones.place_for_event(event.pk)
    with transaction.atomic():
        deleted, _ = Event.objects.filter(pk=event.pk).delete()
        if not deleted:  # somebody else was quicker
            return
        rejected = erase_rejected(_as_rejected(event))
        # By a statement of its own, so that the next one sees what a digest stored meanwhile.
        Session.objects.select_for_update(no_key=True).filter(pk=event.session_id).first()
        _shrink([Removed(event.session_id, event.application_id, 1, 0), *rejected])
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
    rejected = erase_rejected(_rejected(mine).values_list("pk", flat=True))
    events, _ = Event.objects.filter(mine).delete()
    session = Session.objects.select_for_update().filter(pk=id).first()
    if session is not None:
        session.sessionapplication_set.filter(theirs).delete()
        if session.sessionapplication_set.exists():
            # What has expired may have been theirs: the report is made anew without any of it.
            Session.objects.filter(pk=id).update(expired_events=0)
            gone = gone_with_partitions([id], deleted=events)
            _shrink([Removed(id, application_id, events, 0), *rejected, *gone])
            session_erasing.send(sender=None, session_id=id)
        else:
            session.delete()
    return {"events": events, "rejected": len(rejected)}


def _rejected(mine: Q) -> QuerySet[RejectedEvent]:
    """Found by their errors, which have an index by session."""
    return RejectedEvent.objects.filter(pk__in=EventError.objects.filter(mine).values("event"))


def erase_rejected(ids: Iterable[UUID]) -> list[Removed]:
    """Removes rejected events with their errors; one row for each of them."""
    rows = RejectedEvent.objects.filter(pk__in=list(ids))
    columns = rows.order_by("pk").select_for_update().values_list
    found = columns("session_id", "application_id", "resolved_at")
    rejected = [Removed(session, owner, 0, int(at is None)) for session, owner, at in found]
    error_changes.delete_of(rows.values_list("pk", flat=True))
    rows.delete()
    return rejected


def settle(removed: Sequence[Removed]) -> tuple[list[UUID], int]:
    """Makes the sessions true again, in the transaction that removed these rows as kept no longer.

    Their reports stay. An application of which there were only errors, and none is left, leaves the
    session, and a session that all have left goes. Gives those whose errors have changed, and how
    many went.
    """
    parts = {(row.session_id, row.application_id) for row in removed if row.session_id}
    sessions = {session for session, _ in parts}
    _lock(sessions)
    with connection.cursor() as cursor:
        cursor.execute(EXPIRE, _columns(removed))
        cursor.execute(UNLINK, [[part[0] for part in parts], [part[1] for part in parts]])
    lost = {row.session_id for row in removed if row.events}
    events_expiring.send(sender=None, session_ids=lost)
    links = SessionApplication.objects.filter(session__in=sessions)
    left = {*links.values_list("session_id", flat=True)}
    _, gone = Session.objects.filter(pk__in=sessions - left).delete()
    changed = left & {row.session_id for row in removed if row.errors}
    return [*changed], gone.get("tracking.Session", 0)


def gone_with_partitions(sessions: Collection[UUID], deleted: int = 0) -> list[Removed]:
    """What these sessions still count of events that went with their partitions.

    Counted from what is there, while nobody else changes them: so it is right whatever happened to
    them meanwhile, and nothing where they are settled. Not among it are those `deleted` otherwise,
    and not yet taken off.
    """
    _lock(sessions)
    with connection.cursor() as cursor:
        cursor.execute(SURPLUS, [list(sessions)])
        surplus = [(session, count - deleted) for session, count in cursor]
        return [Removed(session, None, count, 0) for session, count in surplus if count]


def _lock(sessions: Collection[UUID]) -> None:
    """By a statement of its own, so that the next ones see what a digest stored meanwhile."""
    list(Session.objects.select_for_update().filter(pk__in=sessions).order_by("pk").values("pk"))


def _shrink(removed: Sequence[Removed]) -> None:
    """The sessions are locked already."""
    with connection.cursor() as cursor:
        cursor.execute(SHRINK, _columns(removed))


def _columns(removed: Sequence[Removed]) -> list[list[Any]]:
    return [[row[place] for row in removed] for place in (0, 2, 3)]
