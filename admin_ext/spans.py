"""Periods as an address names them: one of the usual ones up to now, or from one time to another."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reports.periods import MINUTE, Period, ceiled, floored, zone_named
from reports.rollups import BEGINNING

PERIODS = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
# What an address says of a period that has no name.
TYPED = ("from", "to", "zone")


class BadPeriod(Exception):
    """Says what is wrong with the period that somebody asks for."""


def is_typed(query: Mapping[str, str]) -> bool:
    return bool(query.get("from") or query.get("to"))


def typed(query: Mapping[str, str], moment: datetime) -> Period:
    """Of whole minutes; without one of its ends from the beginning, or up to now.

    Raises `BadPeriod`.
    """
    zone = _zone(query.get("zone") or "UTC")
    since, until = query.get("from"), query.get("to")
    start = _time("from", since, zone) if since else BEGINNING
    end = ceiled(_time("to", until, zone)) if until else until_now(moment)
    period = Period(floored(start), end)
    if period.start >= period.end:
        raise BadPeriod("The period ends before it begins: “from” has to be before “to”.")
    return period


def until_now(moment: datetime) -> datetime:
    """The end of the minute that goes on."""
    return floored(moment) + MINUTE


def written(period: Period, open_ended: bool = False) -> dict[str, str]:
    """The part of an address that means this period to everybody."""
    start, end = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in period)
    return {"from": start} if open_ended else {"from": start, "to": end}


def _zone(name: str) -> ZoneInfo:
    if zone := zone_named(name):
        return zone
    raise BadPeriod("“zone” is no time zone: write it like Europe/Berlin.")


def _time(name: str, text: str, zone: ZoneInfo) -> datetime:
    """In UTC; what says no offset is meant in the zone, and as the first of two that it has."""
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadPeriod(f"“{name}” is no time: write it like 2026-01-31T12:00.") from None
    if not BEGINNING <= found < datetime(2100, 1, 1, tzinfo=UTC):
        raise BadPeriod(f"“{name}” has to be a time from 2000 to 2099.")
    return found
