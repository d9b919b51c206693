"""What the rollups say of a period: no raw event is read for it.

The bounds of a period are made whole minutes: its start is rounded down, its end up.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from reports.periods import STEPS, Period, buckets, ceiled, floored, parts
from reports.rollup import COUNTED
from reports.sketch import Sketch
from reports.sums import Sum

type Place = tuple[int, str, datetime, datetime]

# Before every event: see tracking's limits for timestamps.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# What one answer may sum up at most: an hour or a day of many a zone is a row for each minute.
MOST_ROWS = 100_000
# Of an answer of PostgreSQL, each of which may have as many sketches as a part has rows.
ROWS_AT_ONCE = 10
PART_ROWS = 60
NONE: tuple[int, Iterable[Any]] = (-1, ())
WITHOUT_JIT = "SET LOCAL jit = off;"  # to compile takes longer than the query
SNAPSHOT = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; {WITHOUT_JIT}"
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
    + " WHERE found > 0 ORDER BY place"
)
SESSIONS = "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0)" + PARTS.replace(
    "{columns}", "sum(sessions_started) AS started, sum(sessions_ended) AS ended"
)
COUNTS = ("stored", "duplicate", "rejected", "sessions_started", "sessions_ended")
# The rollups of all applications, and what the outboxes hold for them, in one snapshot.
LATEST = """
WITH waiting AS (
    SELECT minute, {sums} FROM (
        SELECT minute, stored, duplicate, rejected, 0 AS sessions_started, 0 AS sessions_ended
          FROM tracking_tally
         UNION ALL
        SELECT minute, 0, 0, 0, sessions_started, sessions_ended
          FROM reports_rollupchange WHERE application_id IS NULL
    ) AS outbox GROUP BY minute
)
SELECT place, {sums}
  FROM unnest(%(places)s::int[], %(steps)s::text[], %(starts)s::timestamptz[],
              %(ends)s::timestamptz[]) AS part(place, step, "from", "to"),
       LATERAL (
    SELECT {columns} FROM reports_rollup
     WHERE application_id IS NULL AND step = part.step
       AND start >= part."from" AND start < part."to"
     UNION ALL
    SELECT {columns} FROM waiting WHERE minute >= part."from" AND minute < part."to"
  ) AS counted
 GROUP BY place
""".replace("{columns}", ", ".join(COUNTS)).replace(
    "{sums}", ", ".join(f"sum({name}) AS {name}" for name in COUNTS)
)
OLDEST_WAITING = """
SELECT coalesce(extract(epoch FROM now() - min(written_at)), 0) FROM (
    SELECT min(written_at) AS written_at FROM tracking_tally
     UNION ALL
    SELECT min(written_at) FROM reports_rollupchange
) AS outbox
"""


class TooMuch(Exception):
    """More rows than `MOST_ROWS`."""


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


@dataclass(frozen=True, slots=True)
class Counts:
    """Some of a period's totals, of all applications, with what is not in the rollups yet."""

    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    sessions_started: int = 0
    sessions_ended: int = 0


def totals(application_id: int | None, start: datetime, end: datetime) -> Totals:
    """Of one application, or of all, where each session counts once."""
    (only,) = _totals(application_id, [_whole_minutes(start, end)])
    return only


def series(
    application_id: int | None, start: datetime, end: datetime, step: str, zone: ZoneInfo
) -> list[Totals]:
    """The same minute by minute, hour by hour or day by day in a zone; empty ones too.

    Raises `TooMuch`.
    """
    return _totals(application_id, buckets(_whole_minutes(start, end), step, zone))


def latest(periods: Sequence[Period]) -> list[Counts]:
    """Of periods of whole minutes: what the rollups say, and what waits to be added to them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(WITHOUT_JIT)
        cursor.execute(LATEST, _named(_places(periods)))
        found = {place: Counts(*map(int, counts)) for place, *counts in cursor}
    return [found.get(place, Counts()) for place in range(len(periods))]


def behind_seconds() -> float:
    """How long the oldest change has been waiting to be added to the rollups; 0 where none does."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_WAITING)
        return float(cursor.fetchone()[0])


def _whole_minutes(start: datetime, end: datetime) -> Period:
    return Period(floored(start), ceiled(end))


def _totals(application_id: int | None, periods: Sequence[Period]) -> list[Totals]:
    """Of periods that follow each other."""
    if not periods:
        return []
    places = _places(periods)
    before = _places([Period(BEGINNING, periods[0].start)])
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(SNAPSHOT)
            cursor.execute(*_query(SESSIONS, application_id, before))
            started, ended = map(int, cursor.fetchone())
        with connection.chunked_cursor() as cursor:
            cursor.execute(*_query(SUMS, application_id, places))
            rows = chain.from_iterable(iter(lambda: cursor.fetchmany(ROWS_AT_ONCE), []))
            by_place = groupby(rows, itemgetter(0))
            return list(_each(periods, by_place, started, ended))


def _each(
    periods: Sequence[Period],
    by_place: Iterable[tuple[int, Iterable[Any]]],
    started: int,
    ended: int,
) -> Iterator[Totals]:
    """One after the other, so that no more than one has its sketches in memory."""
    found = iter(by_place)
    place, rows = next(found, NONE)
    for number, period in enumerate(periods):
        sums = Sum()
        if place == number:
            sums = _sum(rows)
            place, rows = next(found, NONE)
        started += int(sums.numbers["sessions_started"])
        yield _of(period, sums, active=started - ended)
        ended += int(sums.numbers["sessions_ended"])


def _places(periods: Sequence[Period]) -> list[Place]:
    """Raises `TooMuch`."""
    found: list[Place] = []
    rows = 0
    for place, period in enumerate(periods):
        for step, start, end in parts(period):
            rows += (end - start) // STEPS[step]
            if rows > MOST_ROWS:
                raise TooMuch
            size = PART_ROWS * STEPS[step]
            while start < end:
                found.append((place, step, start, min(start + size, end)))
                start += size
    return found


def _query(
    query: str, application_id: int | None, places: list[Place]
) -> tuple[str, dict[str, Any]]:
    is_application = "IS NULL" if application_id is None else "= %(application)s"
    text = query.format(is_application=is_application)
    return text, _named(places) | {"application": application_id}


def _named(places: list[Place]) -> dict[str, list[Any]]:
    """Column by column."""
    names = ("places", "steps", "starts", "ends")
    return {name: [place[column] for place in places] for column, name in enumerate(names)}


def _sum(rows: Iterable[Any]) -> Sum:
    sums = Sum()
    for _, _, speeds, errors, *numbers in rows:
        sums.add(dict(zip(COUNTED, numbers, strict=True)), bytes(speeds))
        for one in json.loads(errors or "[]"):
            sums.add_errors(one)
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
