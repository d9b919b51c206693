"""The queries for the sums of a period: of the rollups alone, or with what waits to be added.

The caller cuts the period into parts, each of whole steps of one kind; see `rollups.py`.
"""

from collections.abc import Iterable

from reports.rollup import COUNTED

# What all of a period's columns are, and those that cost little: no sketches, no codes.
EACH = ("events", "sessions_started", "sessions_ended", "distance_px", "moving_us")
COUNTS = ("stored", "duplicate", "rejected", *EACH)

# One range of the index for each part, and what falls into it of what waits.
PARTS = """
SELECT place, sums.*
  FROM unnest(%(places)s::int[], %(steps)s::text[], %(starts)s::timestamptz[],
              %(ends)s::timestamptz[]) AS part(place, step, "from", "to"),
       LATERAL (SELECT {found} FROM ({rows}) AS counted) AS sums
 WHERE found > 0 ORDER BY place
"""
ROLLED_UP = """
    SELECT {names} FROM reports_rollup
     WHERE application_id {is_application} AND step = part.step
       AND start >= part."from" AND start < part."to"
"""
WAITING = """
     UNION ALL
    SELECT {names} FROM waiting WHERE minute >= part."from" AND minute < part."to"
"""
# An arrival is told once, for its application; what happened is told for each and for all.
OUTBOXES = """
WITH waiting AS MATERIALIZED (
    SELECT minute, 0 AS events, 0 AS sessions_started, 0 AS sessions_ended,
           0::double precision AS distance_px, 0 AS moving_us, 0 AS samples,
           sent, stored, duplicate, rejected, ''::bytea AS speeds,
           CASE WHEN code IS NULL THEN '{{}}' ELSE jsonb_build_object(code, errors) END AS errors,
           coalesce(kinds, '{{}}') AS kinds
      FROM tracking_tally WHERE {is_told}
     UNION ALL
    SELECT minute, events, sessions_started, sessions_ended, distance_px, moving_us, samples,
           0, 0, 0, 0, speeds, '{{}}', '{{}}'
      FROM reports_rollupchange WHERE application_id {is_application}
)
"""


def _of_parts(found: str, names: Iterable[str], waiting: bool) -> str:
    rows = ROLLED_UP + WAITING if waiting else ROLLED_UP
    parts = PARTS.replace("{rows}", rows).replace("{names}", ", ".join(names))
    return (OUTBOXES if waiting else "") + parts.replace("{found}", "count(*) AS found, " + found)


def _sums(names: Iterable[str]) -> str:
    return ", ".join(f"sum({name}) AS {name}" for name in names)


def of_all(application_id: int | None, waiting: bool) -> str:
    """Place, number of rows, sketches, errors by code, and the sums of `COUNTED`."""
    found = (
        "string_agg(speeds, '') AS speeds, "
        "jsonb_agg(errors) FILTER (WHERE errors <> '{{}}') AS errors, " + _sums(COUNTED)
    )
    return _for(_of_parts(found, ("speeds", "errors", *COUNTED), waiting), application_id)


def of_counts(application_id: int | None, waiting: bool) -> str:
    """Place, number of rows, and the sums of `COUNTS`."""
    return _for(_of_parts(_sums(COUNTS), COUNTS, waiting), application_id)


def of_kinds(application_id: int | None, waiting: bool) -> str:
    """Place, number of rows, and how many events of each kind each of these says there were."""
    found = "jsonb_agg(kinds) FILTER (WHERE kinds <> '{{}}') AS kinds"
    return _for(_of_parts(found, ("kinds",), waiting), application_id)


def _for(query: str, application_id: int | None) -> str:
    every = application_id is None
    return query.format(
        is_application="IS NULL" if every else "= %(application)s",
        is_told="TRUE" if every else "application_id = %(application)s",
    )
