"""What the rollups say of a period: no raw event is read for it.

The bounds of a period are made whole minutes: its start is rounded down, its end up.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from reports.periods import Period, buckets, ceiled, floored, parts
from reports.rollup import COUNTED
from reports.sketch import Sketch
from reports.sums import Sum

# Before every event: see tracking's limits for timestamps.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)

# One range of the index for each part.
PARTS = """
  FROM unnest(%(places)s::int[], %(steps)s::text[], %(starts)s::timestamptz[],
              %(ends)s::timestamptz[]) AS part(place, step, "from", "to"),
       LATERAL (
    SELECT {columns} FROM reports_rollup
     WHERE application_id {is_application} AND step = part.step
       AND start >= part."from" AND start < part."to"
  ) AS sums
"""
SUMS = (
    "SELECT place, sums.*"
    + PARTS.replace(
        "{columns}",
        "count(*) AS found, string_agg(speeds, '') AS speeds, "
        "jsonb_agg(errors) FILTER (WHERE errors <> '{{}}') AS errors, "
        + ", ".join(f"sum({name}) AS {name}" for name in COUNTED),
    )
    + " WHERE found > 0"
)
SESSIONS = "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0)" + PARTS.replace(
    "{columns}", "sum(sessions_started) AS started, sum(sessions_ended) AS ended"
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a period.

    sent = stored + duplicate + rejected, and errors by code: of what arrived in it. The rest
    is of what happened in it, by the events' own times. active_sessions: those whose time
    from the first to the last event overlaps the period, which are those that started before
    its end less those that ended before its start. distance_px in px, moving_ms in ms; speeds
    in px/s: mean_speed is distance over moving time, speed_p50 and speed_p95 are not exceeded
    in 50 % and 95 % of it (to 1 %); None where nothing moved.
    """

    start: datetime
    end: datetime
    sent: int
    stored: int
    duplicate: int
    rejected: int
    errors: dict[str, int]
    events: int
    sessions_started: int
    sessions_ended: int
    active_sessions: int
    distance_px: float
    moving_ms: float
    samples: int
    mean_speed: float | None
    speed_p50: float | None
    speed_p95: float | None


def totals(application_id: int | None, start: datetime, end: datetime) -> Totals:
    """Of one application, or of all, where each session counts once."""
    (only,) = _totals(application_id, [_whole_minutes(start, end)])
    return only


def series(
    application_id: int | None, start: datetime, end: datetime, step: str, zone: ZoneInfo
) -> list[Totals]:
    """The same minute by minute, hour by hour or day by day in a zone; empty ones too."""
    return _totals(application_id, buckets(_whole_minutes(start, end), step, zone))


def _whole_minutes(start: datetime, end: datetime) -> Period:
    return Period(floored(start), ceiled(end))


def _totals(application_id: int | None, periods: Sequence[Period]) -> list[Totals]:
    """Of periods that follow each other."""
    if not periods:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")  # to compile takes longer than the query
        cursor.execute(*_query(SESSIONS, application_id, [Period(BEGINNING, periods[0].start)]))
        started, ended = map(int, cursor.fetchone())
        cursor.execute(*_query(SUMS, application_id, periods))
        sums = _sums(cursor)
    found = []
    for place, period in enumerate(periods):
        started += int(sums[place].numbers["sessions_started"])
        found.append(_of(period, sums[place], active=started - ended))
        ended += int(sums[place].numbers["sessions_ended"])
    return found


def _query(
    query: str, application_id: int | None, periods: Sequence[Period]
) -> tuple[str, dict[str, Any]]:
    named = [(place, *part) for place, period in enumerate(periods) for part in parts(period)]
    columns = dict(zip(("places", "steps", "starts", "ends"), _columns(named), strict=True))
    is_application = "IS NULL" if application_id is None else "= %(application)s"
    text = query.format(is_application=is_application)
    return text, columns | {"application": application_id}


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(4)]


def _sums(rows: Iterable[Any]) -> dict[int, Sum]:
    sums: dict[int, Sum] = defaultdict(Sum)
    for place, _, speeds, errors, *numbers in rows:
        sums[place].add(dict(zip(COUNTED, numbers, strict=True)), bytes(speeds))
        for one in json.loads(errors or "[]"):
            sums[place].add_errors(one)
    return sums


def _of(period: Period, sums: Sum, active: int) -> Totals:
    counts: dict[str, Any] = {
        name: int(sums.numbers[name]) for name in COUNTED if name != "distance_px"
    }
    moving_ms = counts.pop("moving_us") / 1000
    # What was taken back may leave a last bit.
    distance = max(0.0, float(sums.numbers["distance_px"]))
    speeds = Sketch.unpacked(sums.speeds())
    return Totals(
        *period,
        **counts,
        errors=dict(sorted(sums.errors.items())),
        active_sessions=active,
        distance_px=distance,
        moving_ms=moving_ms,
        mean_speed=distance / moving_ms * 1000 if moving_ms else None,
        speed_p50=speeds.percentile(50),
        speed_p95=speeds.percentile(95),
    )
