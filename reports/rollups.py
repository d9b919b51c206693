"""What the rollups say of a period: no raw event is read for it.

The bounds of a period are made whole minutes: its start is rounded down, its end up.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from reports import rollup_queries
from reports.periods import STEPS, Period, buckets, ceiled, floored, parts
from reports.rollup import COUNTED
from reports.rollup_queries import COUNTS
from reports.sketch import Sketch
from reports.sums import Sum
from tracking.kind_counts import KindCounts

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
    """Those of a period's totals that cost little to read."""

    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    events: int = 0
    sessions_started: int = 0
    sessions_ended: int = 0
    distance_px: float = 0.0
    moving_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Overview:
    """A period, the one before it, and the buckets that it is cut into: all in one snapshot."""

    before: Totals
    period: Totals
    buckets: list[Counts]
    kinds: Counter[tuple[str, str]]


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
    return _totals(application_id, buckets(_whole_minutes(start, end), STEPS[step], zone))


def latest(application_id: int | None, periods: Sequence[Period]) -> list[Counts]:
    """Of periods of whole minutes: what the rollups say, and what waits to be added to them."""
    with _snapshot():
        return _counts(application_id, periods)


def overview(
    application_id: int | None, before: Period, period: Period, buckets: Sequence[Period]
) -> Overview:
    """Of two periods of whole minutes that follow each other, with what waits to be added."""
    with _snapshot():
        earlier, whole = _each_total(application_id, [before, period], waiting=True)
        counts = _counts(application_id, buckets)
        return Overview(earlier, whole, counts, _kinds(application_id, period))


def behind_seconds() -> float:
    """How long the oldest change has been waiting to be added to the rollups; 0 where none does."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_WAITING)
        return float(cursor.fetchone()[0])


def _whole_minutes(start: datetime, end: datetime) -> Period:
    return Period(floored(start), ceiled(end))


@contextmanager
def _snapshot() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(SNAPSHOT)
        yield


def _totals(application_id: int | None, periods: Sequence[Period]) -> list[Totals]:
    """Of periods that follow each other. Raises `TooMuch`."""
    if not periods:
        return []
    with _snapshot():
        return _each_total(application_id, periods, waiting=False)


def _each_total(
    application_id: int | None, periods: Sequence[Period], waiting: bool
) -> list[Totals]:
    places = _named(_places(periods), application_id)
    (earlier,) = _counts(application_id, [Period(BEGINNING, periods[0].start)], waiting)
    with connection.chunked_cursor() as cursor:
        cursor.execute(rollup_queries.of_all(application_id, waiting), places)
        rows = chain.from_iterable(iter(lambda: cursor.fetchmany(ROWS_AT_ONCE), []))
        by_place = groupby(rows, itemgetter(0))
        return list(_each(periods, by_place, earlier.sessions_started, earlier.sessions_ended))


def _counts(
    application_id: int | None, periods: Sequence[Period], waiting: bool = True
) -> list[Counts]:
    with connection.cursor() as cursor:
        query = rollup_queries.of_counts(application_id, waiting)
        cursor.execute(query, _named(_places(periods), application_id))
        sums: list[Sum] = [Sum() for _ in periods]
        for place, _, *numbers in cursor:
            sums[place].add(dict(zip(COUNTS, numbers, strict=True)))
    return [_counted(one.numbers) for one in sums]


def _kinds(application_id: int | None, period: Period) -> Counter[tuple[str, str]]:
    """Stored events by category and name; see kind_counts.py for what has two empty ones."""
    found: Counter[tuple[str, str]] = Counter()
    with connection.cursor() as cursor:
        query = rollup_queries.of_kinds(application_id, waiting=True)
        cursor.execute(query, _named(_places([period]), application_id))
        for *_, rows in cursor:
            kinds = map(KindCounts, json.loads(rows or "[]"))
            for category, name, count in chain.from_iterable(kinds):
                found[category, name] += count
    return found


def _counted(numbers: Mapping[str, float]) -> Counts:
    counts: dict[str, Any] = {name: int(numbers[name]) for name in COUNTS}
    moving_ms = counts.pop("moving_us") / 1000
    return Counts(**{**counts, "distance_px": _distance(numbers), "moving_ms": moving_ms})


def _distance(numbers: Mapping[str, float]) -> float:
    """What was taken back may leave a last bit."""
    return max(0.0, float(numbers["distance_px"]))


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


def _named(places: list[Place], application_id: int | None) -> dict[str, Any]:
    """Column by column."""
    names = ("places", "steps", "starts", "ends")
    columns = {name: [place[column] for place in places] for column, name in enumerate(names)}
    return {**columns, "application": application_id}


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
    distance = _distance(sums.numbers)
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
