"""Telling the groups of errors what becomes of errors: by the statement that does it.

Groups are hot: digests that wrote to them would wait for each other. So each writes rows of its own
into an outbox, which `error_groups.py` empties.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection

# What such a statement returns of each error.
COLUMNS = "id, application_id, category, name, field, code, created_at, resolved_at"
CHANGE = """
    INSERT INTO tracking_errorchange (application_id, category, name, field, code, minute, errors,
                                      resolved, first_at, last_at, example_id)
    SELECT application_id, category, name, field, code, date_trunc('minute', created_at),
           {errors}, {resolved}, min(created_at), max(created_at), max(id)
      FROM {source} GROUP BY 1, 2, 3, 4, 5, 6
"""
RESOLVE = f"""
WITH resolved AS (
    UPDATE tracking_eventerror SET resolved_at = %s
     WHERE event_id = ANY(%s::uuid[]) AND resolved_at IS NULL
    RETURNING {COLUMNS}
)
{CHANGE.format(source="resolved", errors="0", resolved="count(*)")}
"""
DELETE = f"""
WITH deleted AS (
    DELETE FROM tracking_eventerror WHERE {{which}} RETURNING {COLUMNS}
)
{CHANGE.format(source="deleted", errors="-count(*)", resolved="-count(resolved_at)")}
"""


def written(source: str) -> str:
    """The part of a statement that tells of the errors which `source`, another part, wrote."""
    return CHANGE.format(source=source, errors="count(*)", resolved="count(resolved_at)")


def resolve(events: Iterable[UUID], moment: datetime) -> None:
    """The open errors of these rejected events."""
    with connection.cursor() as cursor:
        cursor.execute(RESOLVE, [moment, list(events)])


def delete(ids: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DELETE.format(which="id = ANY(%s::bigint[])"), [list(ids)])


def delete_of(events: Iterable[UUID]) -> None:
    """All errors of these rejected events."""
    with connection.cursor() as cursor:
        cursor.execute(DELETE.format(which="event_id = ANY(%s::uuid[])"), [list(events)])
