"""Which trails are computed when. They are kept, and go with their sessions' events."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.utils.timezone import now

from reports import trail
from reports.fold import FoldEvent
from reports.models import SessionTrail
from reports.parameters import LONG_EVENTS
from tracking import locks
from tracking.models import Session

# The trail of a session that goes on is computed anew after this long at the earliest.
PAUSE = timedelta(seconds=5)
EVENTS = """
SELECT id, "timestamp", category, name, data::text, application_id
  FROM tracking_event WHERE session_id = %s AND category = 'pointer' ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The trail of a session as far as there is one that may be shown."""

    trail: SessionTrail | None
    stale: bool

    @property
    def due(self) -> bool:
        """Whether to compute it now."""
        return self.trail is None or (self.stale and now() - self.trail.computed_at > PAUSE)


def kept(session: Session) -> Kept:
    """None that may hold what was changed or removed since."""
    found = SessionTrail.objects.filter(
        pk=session.pk, version=trail.VERSION, revision__gte=session.rewritten
    ).first()
    return Kept(found, stale=found is None or found.revision < session.revision)


def compute(session_id: UUID) -> SessionTrail | None:
    """Brings a session's trail up to date, and gives it.

    None where another worker is at it, or at a long session as this is one, or what it was made
    from has been changed meanwhile; the next one who asks has it computed again. Raises `Session.DoesNotExist`.
    """
    with transaction.atomic():
        if not locks.try_work(f"trail of {session_id}"):
            return None
        # Read before the events: of a revision that is too small the trail is stale, no more.
        session = Session.objects.get(pk=session_id)
        there = kept(session)
        if not there.stale:
            return there.trail
        if session.event_count > LONG_EVENTS and not locks.try_long_fold():
            return None
        with connection.chunked_cursor() as cursor:
            cursor.execute(EVENTS, [session_id])
            found = trail.compute(map(FoldEvent._make, cursor))
        return _save(session, found)


def drop(session_ids: Collection[UUID]) -> None:
    """Of sessions that have lost events."""
    SessionTrail.objects.filter(session__in=session_ids).delete()


def drop_rewritten(session_ids: Collection[UUID]) -> None:
    """Those made before an event was changed or removed, which may still hold it."""
    older = SessionTrail.objects.filter(revision__lt=F("session__rewritten"))
    older.filter(session__in=session_ids).delete()


def _save(session: Session, found: trail.Trail) -> SessionTrail | None:
    """Under the session's lock, so that no trail is kept with what is being removed."""
    unchanged = Session.objects.filter(
        pk=session.pk, rewritten__lte=session.revision, expired_events=session.expired_events
    )
    if unchanged.select_for_update(no_key=True).first() is None:
        return None
    kept, _ = SessionTrail.objects.update_or_create(
        session=session,
        defaults={
            "version": trail.VERSION,
            "revision": session.revision,
            "computed_at": now(),
            "content": found.to_bytes(),
        },
    )
    return kept
