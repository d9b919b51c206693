"""Periods of time: in steps of somebody's zone, and as whole minutes, hours and days of UTC."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from reports.moments import EPOCH

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEPS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
# Weeks begin on Mondays.
MONDAY = datetime(1970, 1, 5)
# No clock is set by more than this, but where a whole day is left out.
LARGEST_CHANGE = timedelta(hours=3)
# Files among the zones that are of no place: browsers know no such names.
NO_ZONES = {"Factory", "localtime"}


class Period(NamedTuple):
    """From `start` up to and without `end`, both in UTC."""

    start: datetime
    end: datetime


class Part(NamedTuple):
    """So many whole steps of UTC."""

    step: str
    start: datetime
    end: datetime


@cache
def zone_names() -> set[str]:
    return available_timezones() - NO_ZONES


def zone_named(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in zone_names() else None


def floored(moment: datetime, size: timedelta = MINUTE) -> datetime:
    return EPOCH + (moment - EPOCH) // size * size


def ceiled(moment: datetime, size: timedelta = MINUTE) -> datetime:
    return EPOCH - (EPOCH - moment) // size * size


def parts(period: Period, steps: Sequence[str] = ("day", "hour", "minute")) -> list[Part]:
    """A period of whole minutes as the fewest steps of UTC, ascending."""
    if period.start >= period.end:
        return []
    step, *finer = steps
    start, end = ceiled(period.start, STEPS[step]), floored(period.end, STEPS[step])
    if start >= end:
        return parts(period, finer)
    before, after = Period(period.start, start), Period(end, period.end)
    return [*parts(before, finer), Part(step, start, end), *parts(after, finer)]


def buckets(period: Period, size: timedelta, zone: ZoneInfo) -> list[Period]:
    """A period cut at the beginnings of a zone's spans of so many minutes, hours, days or weeks.

    The first and the last bucket are what the period has of them. Where the clock is set forward
    or back, a day has 23 or 25 hours, and an hour that comes twice is two buckets.
    """
    cuts = {cut for cut in _beginnings(period, size, zone) if period.start < cut < period.end}
    return [Period(*pair) for pair in pairwise(sorted({*period, *cuts}))]


def begin_of(moment: datetime, size: timedelta, zone: ZoneInfo) -> datetime:
    """Of the bucket in which the moment is."""
    around = _beginnings(Period(moment, moment), size, zone)
    return max(cut for cut in around if cut <= moment)


def _beginnings(period: Period, size: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    """Some before and after the period as well."""
    if size < HOUR:  # every zone's quarters of an hour are those of UTC
        moment = floored(period.start, size)
        while moment <= period.end:
            yield moment
            moment += size
        return
    wall = _wall(period.start, zone) - LARGEST_CHANGE
    wall = MONDAY + (wall - MONDAY) // size * size
    while wall <= _wall(period.end, zone) + LARGEST_CHANGE:
        # What the clock leaves out begins when it is set.
        yield wall.replace(tzinfo=zone).astimezone(UTC)
        again = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if size == HOUR and _wall(again, zone) == wall:
            yield again
        wall += size


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of the zone show."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
