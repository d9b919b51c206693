"""Which categories and names an application's events have, found by leaps through an index."""

from typing import Any

from django.db import connection

# An application with more kinds than this has no kinds worth the name.
MOST_KINDS = 1_000

# Each step finds the next larger value at once: (application, category, id), (application, name, id).
# PostgreSQL has no such scan of its own before version 18.
DISTINCT = """
SELECT found.value, strpos(upper(found.value), upper(%(text)s)) > 0
  FROM unnest(%(applications)s::bigint[]) AS application(id), LATERAL (
    WITH RECURSIVE step AS (
        (SELECT {column} AS value FROM tracking_event
          WHERE application_id = application.id ORDER BY {column} LIMIT 1)
         UNION ALL
        SELECT (SELECT {column} FROM tracking_event
                 WHERE application_id = application.id AND {column} > step.value
                 ORDER BY {column} LIMIT 1)
          FROM step WHERE step.value IS NOT NULL
    )
    SELECT value FROM step WHERE value IS NOT NULL LIMIT %(most)s
  ) AS found
"""
QUERIES = {column: DISTINCT.format(column=column) for column in ("category", "name")}


def matching(column: str, applications: list[int], text: str) -> list[str] | None:
    """The distinct values of `category` or `name` that hold the text, in whatever case.

    PostgreSQL compares, as it does for `icontains`: what upper case is depends on its locale.
    None where there are too many values to look through.
    """
    parameters: dict[str, Any] = {
        "applications": applications,
        "most": MOST_KINDS + 1,
        "text": text,
    }
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[column], parameters)
        values = cursor.fetchall()
    if len(values) > MOST_KINDS:
        return None
    return sorted({value for value, holds in values if holds})
