"""Merging validated batches into the tables, in one transaction."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.timezone import now

from tracking.ids import rejected_id
from tracking.inbox import Claimed
from tracking.models import EventError, Receipt
from tracking.problems import storable
from tracking.tombstones import Buried
from tracking.validation import MAX_NAME, Rejected, ValidEvent

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """A claimed batch after validation: each event by its position."""

    batch: Claimed
    valid: dict[int, ValidEvent]
    rejected: dict[int, Rejected]


INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS eye_incoming (
    batch bigint, position integer, id uuid, application_id bigint, session_id uuid,
    category text, name text, data jsonb, "timestamp" timestamptz, received_at timestamptz,
    offset_ms double precision
) ON COMMIT DELETE ROWS
"""

# Events first, then rejected ones, then sessions, each ordered by key: two digests can then never
# wait for each other in a circle. Sessions count only what RETURNING says was really inserted.
MERGE = """
WITH first AS (
    SELECT DISTINCT ON (id) * FROM eye_incoming ORDER BY id, batch, position
), inserted AS (
    INSERT INTO tracking_event
           (id, application_id, session_id, category, name, data, "timestamp", received_at)
    SELECT id, application_id, session_id, category, name, data, "timestamp", received_at
      FROM first ORDER BY id
        ON CONFLICT DO NOTHING
    RETURNING id, application_id, session_id, "timestamp"
), refused AS (
    INSERT INTO tracking_rejectedevent (id, application_id, session_id, payload, received_at)
    SELECT * FROM unnest(%(ids)s::uuid[], %(applications)s::bigint[], %(sessions)s::uuid[],
                         %(payloads)s::text[], %(received)s::timestamptz[]) AS sent(id)
     ORDER BY id
        ON CONFLICT (id) DO UPDATE SET resolved_at = NULL
     WHERE tracking_rejectedevent.resolved_at IS NOT NULL
    RETURNING application_id, session_id
), changes AS (
    SELECT session_id, application_id, "timestamp", 1 AS events, 0 AS errors, offset_ms
      FROM inserted JOIN first USING (id, session_id, application_id, "timestamp")
     UNION ALL
    SELECT session_id, application_id, NULL, 0, 1, NULL FROM refused WHERE session_id IS NOT NULL
), sessions AS (
    INSERT INTO tracking_session AS session
           (id, first_at, last_at, event_count, error_count, clock_offset_ms,
            revision, report_revision)
    SELECT session_id, min("timestamp"), max("timestamp"), sum(events), sum(errors),
           min(offset_ms), 1, 0
      FROM changes GROUP BY session_id ORDER BY session_id
        ON CONFLICT (id) DO UPDATE
       SET first_at = least(session.first_at, excluded.first_at),
           last_at = greatest(session.last_at, excluded.last_at),
           event_count = session.event_count + excluded.event_count,
           error_count = session.error_count + excluded.error_count,
           clock_offset_ms = least(session.clock_offset_ms, excluded.clock_offset_ms),
           revision = session.revision + 1
    RETURNING id
), links AS (
    INSERT INTO tracking_session_application (session_id, application_id)
    SELECT DISTINCT session_id, application_id FROM changes ORDER BY 1, 2
        ON CONFLICT DO NOTHING
)
SELECT batch, count(*), NULL FROM first JOIN inserted USING (id) GROUP BY batch
 UNION ALL
SELECT NULL, NULL, id FROM sessions
"""


def merge(batches: list[Checked]) -> list[UUID]:
    """Stores what the batches hold and writes their receipts; the sessions that changed.

    Runs in the caller's transaction, which must hold the batches' fence and `before_storing`. An
    event whose id is there already, in the table or earlier in these batches, counts as
    duplicate; so does one that was deleted, and all of a session that was erased.
    """
    batches = [*without_buried(batches)]
    stored, sessions = insert(batches)
    EventError.objects.bulk_create(_errors(batches), batch_size=1_000, ignore_conflicts=True)
    Receipt.objects.bulk_create(
        [_receipt(checked, stored.get(checked.batch.id, 0)) for checked in batches],
        ignore_conflicts=True,
    )
    return sessions


def without_buried(batches: list[Checked]) -> Iterator[Checked]:
    """The batches without what a tombstone keeps out."""
    buried = Buried(
        {event.id for checked in batches for event in checked.valid.values()},
        {session for checked in batches for session in _sessions(checked)},
    )
    for checked in batches:
        yield checked if not buried else _cleared(checked, buried)


def _sessions(checked: Checked) -> set[UUID]:
    of_valid = {event.session_id for event in checked.valid.values()}
    of_rejected = {event.session_id for event in checked.rejected.values()}
    return of_valid | {session for session in of_rejected if session is not None}


def _cleared(checked: Checked, buried: Buried) -> Checked:
    application = checked.batch.application_id
    return Checked(
        checked.batch,
        {
            position: event
            for position, event in checked.valid.items()
            if not buried.has(event.id, event.session_id, application)
        },
        {
            position: rejected
            for position, rejected in checked.rejected.items()
            if not buried.has(None, rejected.session_id, application)
        },
    )


def insert(batches: list[Checked]) -> tuple[dict[int, int], list[UUID]]:
    """Stores the events alone: how many of each batch were new, and the sessions that changed."""
    lines = b"".join(line.encode() for checked in batches for line in _lines(checked))
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute(INCOMING)
        cursor.copy_expert("COPY eye_incoming FROM STDIN", io.BytesIO(lines))
        cursor.execute(MERGE, _refused(batches))
        rows = cursor.fetchall()
    stored = {batch: count for batch, count, _ in rows if batch is not None}
    return stored, [session for _, _, session in rows if session is not None]


def _refused(batches: Iterable[Checked]) -> dict[str, list[Any]]:
    """The rejected events, column by column; the same one twice is one."""
    rows = {
        rejected_id(checked.batch.application_id, rejected.payload): (checked.batch, rejected)
        for checked in batches
        for rejected in checked.rejected.values()
    }
    return {
        "ids": list(rows),
        "applications": [batch.application_id for batch, _ in rows.values()],
        "sessions": [rejected.session_id for _, rejected in rows.values()],
        "payloads": [rejected.payload for _, rejected in rows.values()],
        "received": [batch.received_at for batch, _ in rows.values()],
    }


ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _lines(checked: Checked) -> Iterator[str]:
    """The batch's valid events in COPY's text format."""
    batch = checked.batch
    offset = r"\N"
    if batch.sent_at:
        offset = repr((batch.received_at - batch.sent_at) / MILLISECOND)
    for position, event in checked.valid.items():
        yield (
            f"{batch.id}\t{position}\t{event.id}\t{batch.application_id}\t{event.session_id}\t"
            f"{event.category.translate(ESCAPES)}\t{event.name.translate(ESCAPES)}\t"
            f"{event.data.translate(ESCAPES)}\t{event.timestamp.isoformat()}\t"
            f"{batch.received_at.isoformat()}\t{offset}\n"
        )


def _errors(batches: Iterable[Checked]) -> list[EventError]:
    return [
        EventError(
            application_id=checked.batch.application_id,
            receipt_id=checked.batch.receipt,
            position=position,
            session_id=rejected.session_id,
            category=storable(rejected.category)[:MAX_NAME],
            name=storable(rejected.name)[:MAX_NAME],
            field=problem.place(),
            code=problem.code,
            message=problem.message,
            value=problem.shown(),
            event_id=rejected_id(checked.batch.application_id, rejected.payload),
        )
        for checked in batches
        for position, rejected in checked.rejected.items()
        for problem in rejected.problems
    ]


def _receipt(checked: Checked, stored: int) -> Receipt:
    batch = checked.batch
    columns: dict[str, Any] = {
        "id": batch.receipt,
        "application_id": batch.application_id,
        "state": Receipt.State.DIGESTED,
        "received_at": batch.received_at,
        "digested_at": now(),
        "events": batch.n_events,
        "stored": stored,
        "duplicate": batch.n_events - stored - len(checked.rejected),
        "rejected": len(checked.rejected),
    }
    return Receipt(**columns)
