"""What was deleted or erased is not stored again, however late it is sent again.

A tombstone is placed, and committed, before anything is deleted, and while nobody stores: whoever
stores after that sees it, and whoever stored before has stored what is then deleted.
"""

from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from tracking import locks
from tracking.models import DeletedEvent, ErasedSession

# Placing waits for the digests that run, and others wait for it meanwhile.
PATIENCE = "SET LOCAL lock_timeout = '2s'"


def is_erased(session_id: UUID, application_id: int) -> bool:
    """Whether this session takes no more events of this application."""
    theirs = Q(application_id=application_id) | Q(application_id=None)
    return ErasedSession.objects.filter(theirs, session_id=session_id).exists()


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
