"""Validating rejected events again, by the schemas of now: what is right by these is stored.

Each slice is one transaction that locks the rejected events which nobody resolved yet, so that
to do it twice, or twice at once, is as good as once.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import Error, IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from tracking import audit, error_changes, event_types, locks, store
from tracking.audit import Actor
from tracking.checking import Checked
from tracking.claims import Claimed
from tracking.error_groups import ANY_PLACE, place_pattern
from tracking.event_types import Types
from tracking.faults import ALREADY_THERE, Fault, classify, sqlstate
from tracking.models import AuditEntry, ErrorGroup, EventError, RejectedEvent
from tracking.prepared import prepare
from tracking.signals import sessions_changed
from tracking.validation import ValidEvent, validate

SLICE = 500
ATTEMPTS = 5
# A deadlock; and an event that somebody else stored since it was looked for.
AGAINST_OTHERS = {"40P01", ALREADY_THERE}
# What may name the errors whose events are tried again; nothing means all of them.
FILTERS = ("application", "code", "field", "category", "name", "receipt", "session", "errors")


@dataclass(slots=True)
class Totals:
    """How many events were tried, and what became of them."""

    examined: int = 0
    stored: int = 0
    duplicate: int = 0
    still_rejected: int = 0


@dataclass(frozen=True, slots=True)
class Mended:
    """A rejected event that is valid now."""

    id: UUID
    application_id: int
    received_at: datetime
    event: ValidEvent


def unresolved(filters: dict[str, Any]) -> QuerySet[EventError]:
    """The open errors that `filters` names, by the fields of `FILTERS`, or a group's by its own."""
    errors = EventError.objects.filter(resolved_at=None)
    for name, value in filters.items():
        match name:
            case "errors":
                errors = errors.filter(pk__in=value)
            case "place":
                errors = errors.filter(field__regex=place_pattern(value))
            case _:
                errors = errors.filter(**{name: value})
    return errors


def of_group(group: ErrorGroup) -> dict[str, Any]:
    """The filters that name a group's errors."""
    field = "place" if ANY_PLACE in group.field else "field"
    return {
        "application": group.application_id,
        "category": group.category,
        "name": group.name,
        field: group.field,
        "code": group.code,
    }


def reprocess(filters: dict[str, Any], actor: Actor, progress: Callable[[Totals], None]) -> Totals:
    """Tries the events of these errors again, slice by slice; calls `progress` after each."""
    event_types.forget()  # whoever asks has just mended a schema
    totals = Totals()
    # Before anything is changed: a task that ends halfway is written down with what it did.
    action = AuditEntry.Action.REPROCESSED
    entry = audit.record(actor, action, "", filters=filters, **asdict(totals))
    for ids in _slices(filters):
        _reprocess(ids, totals)
        entry.details |= asdict(totals)
        entry.save(update_fields=["details"])
        progress(totals)
    return totals


def _slices(filters: dict[str, Any]) -> Iterator[list[UUID]]:
    """The rejected events in the order of their ids, each once."""
    events = unresolved(filters).order_by("event_id").values_list("event_id", flat=True).distinct()
    ids = list(events[:SLICE])
    while ids:
        yield ids
        ids = list(events.filter(event_id__gt=ids[-1])[:SLICE])


def _reprocess(ids: list[UUID], totals: Totals) -> None:
    try:
        sessions = _reprocess_against_others(ids, totals)
    except (Error, UnicodeError) as error:
        if classify(error) is not Fault.DATA:
            raise
        if len(ids) == 1:  # PostgreSQL still refuses it
            totals.examined += 1
            totals.still_rejected += 1
            return
        for id in ids:
            _reprocess([id], totals)
    else:
        if sessions:
            sessions_changed.send(sender=None, session_ids=sessions)


def _reprocess_against_others(ids: list[UUID], totals: Totals) -> list[UUID]:
    """Tries again where PostgreSQL ended this one of two that met.

    A digest locks sessions in the order of their ids; here those that got no event come last.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _reprocess_together(ids, totals)
        except (OperationalError, IntegrityError) as error:
            if sqlstate(error) not in AGAINST_OTHERS:
                raise
    return _reprocess_together(ids, totals)


def _reprocess_together(ids: list[UUID], totals: Totals) -> list[UUID]:
    mended = _mended(ids, event_types.current())
    with transaction.atomic():
        locks.reprocessing()
        locks.before_storing()
        mine = _lock(mended)
        stored = store.insert(prepare([_alone(place, row) for place, row in enumerate(mine)]))
        new = [row.id for place, row in enumerate(mine) if place in stored]
        sessions = _resolve([row.id for row in mine], new)
    totals.examined += len(ids)
    totals.stored += len(new)
    totals.duplicate += len(mended) - len(new)
    totals.still_rejected += len(ids) - len(mended)
    return sessions


def _mended(ids: list[UUID], types: Types) -> list[Mended]:
    """Those that are valid now; validated outside the transaction, as a digest does."""
    rows = RejectedEvent.objects.filter(pk__in=ids).order_by("pk")
    found = []
    for row in rows:
        raw = row.payload.encode()
        event = validate(raw, row.application_id, row.received_at, types)
        if isinstance(event, ValidEvent):
            found.append(Mended(row.pk, row.application_id, row.received_at, event))
    return found


def _lock(mended: list[Mended]) -> list[Mended]:
    """Those that nobody has resolved meanwhile."""
    open_rows = RejectedEvent.objects.filter(pk__in=[row.id for row in mended], resolved_at=None)
    ids = set(open_rows.order_by("pk").select_for_update().values_list("pk", flat=True))
    return [row for row in mended if row.id in ids]


def _alone(place: int, row: Mended) -> Checked:
    """As if it were a batch of its own, so that the store says of each whether it was new."""
    batch = Claimed(
        id=place,
        receipt=row.id,
        application_id=row.application_id,
        received_at=row.received_at,
        sent_at=None,
        encoding="",
        n_events=1,
        attempts=1,
        body=memoryview(b""),
    )
    return Checked(batch, {0: row.event}, {})


# The event was rejected in each of these places; it is stored once, and a duplicate elsewhere.
RECEIPTS = """
WITH places AS (
    SELECT DISTINCT receipt_id, position, event_id
      FROM tracking_eventerror WHERE event_id = ANY(%(mended)s) AND resolved_at IS NULL
), ranked AS (
    SELECT receipt_id, event_id = ANY(%(stored)s)
           AND row_number() OVER (PARTITION BY event_id ORDER BY receipt_id, position) = 1 AS first
      FROM places
), counted AS (
    SELECT receipt_id, count(*) AS mended, count(*) FILTER (WHERE first) AS stored
      FROM ranked GROUP BY receipt_id
), changed AS (
    UPDATE tracking_receipt AS receipt
       SET rejected = receipt.rejected - counted.mended,
           stored = receipt.stored + counted.stored,
           duplicate = receipt.duplicate + counted.mended - counted.stored
      FROM counted WHERE receipt.id = counted.receipt_id
    RETURNING application_id, received_at, counted.mended, counted.stored AS stored_now
)
INSERT INTO tracking_tally (application_id, minute, stored, duplicate, rejected)
SELECT application_id, date_trunc('minute', received_at), sum(stored_now),
       sum(mended - stored_now), -sum(mended)
  FROM changed GROUP BY 1, 2
"""
SESSIONS = """
UPDATE tracking_session AS session
   SET error_count = session.error_count - counted.mended, revision = session.revision + 1
  FROM (
    SELECT session_id, count(*) AS mended FROM tracking_rejectedevent
     WHERE id = ANY(%(mended)s) GROUP BY session_id ORDER BY session_id
  ) AS counted
 WHERE session.id = counted.session_id
RETURNING session.id
"""


def _resolve(mended: list[UUID], stored: list[UUID]) -> list[UUID]:
    """Moves them in their receipts and sessions from rejected to stored; the sessions."""
    with connection.cursor() as cursor:
        cursor.execute(RECEIPTS, {"mended": mended, "stored": stored})
        cursor.execute(SESSIONS, {"mended": mended})
        sessions = [id for (id,) in cursor.fetchall()]
    moment = now()
    error_changes.resolve(mended, moment)
    RejectedEvent.objects.filter(pk__in=mended).update(resolved_at=moment)
    return sessions
