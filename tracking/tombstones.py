"""What was deleted or erased is not stored again, however late it is sent again.

A tombstone is placed, and committed, before anything is deleted, and while nobody stores: whoever
stores after that sees it, and whoever stored before has stored what is then deleted.
"""

from collections.abc import Collection
from uuid import UUID

from django.db import connection, transaction

from tracking import locks
from tracking.models import DeletedEvent, ErasedSession

# Placing waits for the digests that run, and others wait for it meanwhile.
PATIENCE = "SET LOCAL lock_timeout = '2s'"

BURIED_EVENTS = "SELECT id FROM tracking_deletedevent WHERE id = ANY(%s)"
ERASED_SESSIONS = """
SELECT session_id, application_id FROM tracking_erasedsession WHERE session_id = ANY(%s)
"""


class Buried:
    """Which of these events and sessions are gone, as of now."""

    def __init__(self, events: Collection[UUID], sessions: Collection[UUID]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(BURIED_EVENTS, [list(events)])
            self.events = {id for (id,) in cursor.fetchall()}
            cursor.execute(ERASED_SESSIONS, [list(sessions)])
            self.sessions: set[tuple[UUID, int | None]] = set(cursor.fetchall())

    def __bool__(self) -> bool:
        return bool(self.events or self.sessions)

    def has(self, event: UUID | None, session: UUID | None, application_id: int) -> bool:
        if event in self.events:
            return True
        return session is not None and bool(
            self.sessions & {(session, application_id), (session, None)}
        )


def place_for_event(id: UUID) -> None:
    with transaction.atomic(durable=True):
        _wait_for_digests()
        DeletedEvent.objects.bulk_create([DeletedEvent(id=id)], ignore_conflicts=True)


def place_for_session(id: UUID, application_id: int | None) -> None:
    """For what one application sends to this session, or, with None, what any does."""
    tombstone = ErasedSession(session_id=id, application_id=application_id)
    with transaction.atomic(durable=True):
        _wait_for_digests()
        ErasedSession.objects.bulk_create([tombstone], ignore_conflicts=True)


def _wait_for_digests() -> None:
    with connection.cursor() as cursor:
        cursor.execute(PATIENCE)
    locks.before_burying()
