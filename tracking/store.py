"""Storing what was prepared, in one transaction: COPY what is new, count it, write the receipts.

The events go straight into their table. What is known already is looked up before; where another
digest stores one of them in between, the primary key refuses it (23505), and all is tried again.
"""

from collections import Counter
from io import BytesIO
from uuid import UUID

from django.db import connection

from tracking import error_changes, rows
from tracking.known import look_up
from tracking.prepared import Prepared, prepare

# Events first, then rejected ones, then sessions, each ordered by key: two digests can then never
# wait for each other in a circle. What was stored is counted by its kinds for the rollups: see Tally.
CHANGE = """
WITH refused AS (
    INSERT INTO tracking_rejectedevent (id, application_id, session_id, payload, received_at)
    SELECT * FROM unnest(%(ids)s::uuid[], %(applications)s::bigint[], %(sessions)s::uuid[],
                         %(payloads)s::text[], %(received)s::timestamptz[]) AS sent(id)
     ORDER BY id
        ON CONFLICT (id) DO UPDATE SET resolved_at = NULL
     WHERE tracking_rejectedevent.resolved_at IS NOT NULL
    RETURNING application_id, session_id
), changes AS (
    SELECT session_id, application_id, 'epoch'::timestamptz + first * interval '1 us' AS first_at,
           'epoch'::timestamptz + last * interval '1 us' AS last_at, events, 0 AS errors, offset_ms
      FROM unnest(%(changed)s::uuid[], %(changed_by)s::bigint[], %(first)s::bigint[],
                  %(last)s::bigint[], %(events)s::integer[], %(offsets)s::double precision[])
           AS stored(session_id, application_id, first, last, events, offset_ms)
     UNION ALL
    SELECT session_id, application_id, NULL, NULL, 0, 1, NULL
      FROM refused WHERE session_id IS NOT NULL
), sessions AS (
    INSERT INTO tracking_session AS session
           (id, first_at, last_at, event_count, error_count, clock_offset_ms,
            revision, report_revision)
    SELECT session_id, min(first_at), max(last_at), sum(events), sum(errors), min(offset_ms), 1, 0
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
), told AS (
    INSERT INTO tracking_tally (application_id, minute, kinds)
    SELECT application_id, 'epoch'::timestamptz + minute * interval '1 minute', kinds
      FROM unnest(%(kinds_of)s::bigint[], %(kinds_at)s::bigint[], %(kinds)s::jsonb[])
           AS stored(application_id, minute, kinds)
)
SELECT id FROM sessions
"""

# What is written here is counted by the same statement: for the rollups, see Tally, and for the
# groups of errors. In the order of the events: the ids tell which of an event's errors comes first.
ERRORS = f"""
WITH written AS (
    INSERT INTO tracking_eventerror (application_id, receipt_id, position, session_id, category,
                                     name, field, code, message, value, event_id, created_at)
    SELECT *, now()
      FROM unnest(%(applications)s::bigint[], %(receipts)s::uuid[], %(positions)s::integer[],
                  %(sessions)s::uuid[], %(categories)s::text[], %(names)s::text[],
                  %(fields)s::text[], %(codes)s::text[], %(messages)s::text[], %(values)s::text[],
                  %(events)s::uuid[])
        ON CONFLICT DO NOTHING
    RETURNING {error_changes.COLUMNS}
), told AS (
    {error_changes.written("written")}
)
INSERT INTO tracking_tally (application_id, minute, code, errors)
SELECT application_id, date_trunc('minute', created_at), code, count(*)
  FROM written GROUP BY 1, 2, 3
"""
RECEIPTS = """
WITH written AS (
    INSERT INTO tracking_receipt (id, application_id, state, received_at, digested_at, events,
                                  stored, duplicate, rejected)
    SELECT id, application_id, 'digested', 'epoch'::timestamptz + received * interval '1 us',
           now(), events, stored, events - stored - rejected, rejected
      FROM unnest(%(ids)s::uuid[], %(applications)s::bigint[], %(received)s::bigint[],
                  %(events)s::integer[], %(stored)s::integer[], %(rejected)s::integer[])
           AS batch(id, application_id, received, events, stored, rejected)
        ON CONFLICT DO NOTHING
    RETURNING application_id, received_at, events, stored, duplicate, rejected
)
INSERT INTO tracking_tally (application_id, minute, sent, stored, duplicate, rejected)
SELECT application_id, date_trunc('minute', received_at), sum(events), sum(stored), sum(duplicate),
       sum(rejected)
  FROM written GROUP BY 1, 2
"""


def merge(prepared: Prepared) -> list[UUID]:
    """Stores what the batches hold and writes their receipts; the sessions that changed.

    Runs in the caller's transaction, which must have taken the batches and hold `before_storing`.
    An event whose id is there already, in the table or earlier in these batches, counts as
    duplicate; so does one that was deleted, and all of a session that was erased.
    """
    prepared = _without_known(prepared)
    sessions = _insert(prepared)
    with connection.cursor() as cursor:
        if prepared.errors["codes"]:
            cursor.execute(ERRORS, prepared.errors)
        cursor.execute(RECEIPTS, prepared.receipts)
    return sessions


def insert(prepared: Prepared) -> Counter[int]:
    """Stores the events alone; how many of each batch were new."""
    prepared = _without_known(prepared)
    _insert(prepared)
    return prepared.stored


def _without_known(prepared: Prepared) -> Prepared:
    known = look_up(prepared.new, prepared.sessions)
    return prepare(prepared.batches, known) if known else prepared


def _insert(prepared: Prepared) -> list[UUID]:
    with connection.cursor() as cursor, connection.wrap_database_errors:
        if prepared.new:
            cursor.copy_expert(rows.COPY, BytesIO(prepared.copy), len(prepared.copy))
        cursor.execute(CHANGE, prepared.changes | prepared.rejected | prepared.kinds)
        return [id for (id,) in cursor.fetchall()]
