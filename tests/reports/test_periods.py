"""Periods: what they consist of, and where the days of a zone begin."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.periods import (
    DAY,
    HOUR,
    MINUTE,
    STEPS,
    Part,
    Period,
    begin_of,
    buckets,
    ceiled,
    floored,
    parts,
)

minutes = st.datetimes(datetime(2000, 1, 2), datetime(2060, 1, 1)).map(
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
# Of half and quarter hours, of both halves of the earth, and some whose clocks do what is rare.
ZONES = [
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Chatham",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_moment_is_rounded_to_whole_steps() -> None:
    moment = utc("2026-03-05T07:08:09")
    assert (floored(moment), ceiled(moment)) == (utc("2026-03-05T07:08"), utc("2026-03-05T07:09"))
    assert floored(moment, HOUR) == ceiled(floored(moment, HOUR), HOUR) == utc("2026-03-05T07:00")
    assert floored(utc("1969-12-31T23:59:30")) == utc("1969-12-31T23:59")


def test_a_period_is_as_few_steps_as_can_be() -> None:
    period = Period(utc("2026-03-05T22:15"), utc("2026-03-08T01:45"))
    assert parts(period) == [
        Part("minute", utc("2026-03-05T22:15"), utc("2026-03-05T23:00")),
        Part("hour", utc("2026-03-05T23:00"), utc("2026-03-06T00:00")),
        Part("day", utc("2026-03-06T00:00"), utc("2026-03-08T00:00")),
        Part("hour", utc("2026-03-08T00:00"), utc("2026-03-08T01:00")),
        Part("minute", utc("2026-03-08T01:00"), utc("2026-03-08T01:45")),
    ]
    assert parts(Period(period.end, period.end)) == []


@given(minutes, st.integers(0, 10_000_000))
def test_the_parts_follow_each_other_from_start_to_end(start: datetime, length: int) -> None:
    period = Period(start, start + length * MINUTE)
    edges = [period.start]
    for part in parts(period):
        assert part.start == edges[-1] < part.end
        edges.append(part.end)
    assert edges[-1] == period.end
    assert len(edges) <= 6


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        ("UTC", "2026-03-29", "2026-03-29T00:00", 24),
        ("Asia/Kolkata", "2026-03-29", "2026-03-28T18:30", 24),
        ("Asia/Kathmandu", "2026-03-29", "2026-03-28T18:15", 24),
        ("America/St_Johns", "2026-03-08", "2026-03-08T03:30", 23),
        ("America/St_Johns", "2026-11-01", "2026-11-01T02:30", 25),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", 25),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", 23.5),
        # Midnight itself is left out, and comes twice.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
        ("America/Havana", "2025-11-02", "2025-11-02T04:00", 25),
    ],
)
def test_a_day_begins_and_ends_at_midnight_of_its_zone(
    zone: str, day: str, starts: str, hours: float
) -> None:
    around = Period(utc(day) - timedelta(days=2), utc(day) + timedelta(days=3))
    (found,) = [one for one in buckets(around, DAY, ZoneInfo(zone)) if one.start == utc(starts)]
    assert found.end - found.start == hours * HOUR


def test_a_day_that_a_zone_left_out_is_not_there() -> None:
    around = Period(utc("2011-12-28T10:00"), utc("2012-01-01T10:00"))
    found = buckets(around, DAY, ZoneInfo("Pacific/Apia"))
    local = [str(one.start.astimezone(ZoneInfo("Pacific/Apia")).date()) for one in found]
    assert local == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


def test_an_hour_that_comes_twice_is_two_and_one_left_out_is_none() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn = buckets(Period(utc("2026-10-24T22:00"), utc("2026-10-25T23:00")), HOUR, berlin)
    spring = buckets(Period(utc("2026-03-28T23:00"), utc("2026-03-29T22:00")), HOUR, berlin)
    assert (len(autumn), len(spring)) == (25, 23)
    assert {one.end - one.start for one in autumn + spring} == {HOUR}


def test_hours_of_half_hour_zones_begin_at_their_own_full_hours() -> None:
    period = Period(utc("2026-03-28T18:15"), utc("2026-03-28T20:00"))
    assert buckets(period, HOUR, ZoneInfo("Asia/Kolkata")) == [
        Period(utc("2026-03-28T18:15"), utc("2026-03-28T18:30")),
        Period(utc("2026-03-28T18:30"), utc("2026-03-28T19:30")),
        Period(utc("2026-03-28T19:30"), utc("2026-03-28T20:00")),
    ]


@given(minutes, st.sampled_from([MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY]), st.sampled_from(ZONES))
def test_a_moment_is_in_the_bucket_that_it_is_told_to_be_in(
    moment: datetime, size: timedelta, name: str
) -> None:
    zone, around = ZoneInfo(name), Period(moment - 3 * size, moment + size)
    (its,) = [one for one in buckets(around, size, zone) if one.start <= moment < one.end]
    assert begin_of(moment, size, zone) == its.start


def test_weeks_begin_on_mondays_at_midnight_of_the_zone() -> None:
    zone = ZoneInfo("America/New_York")
    found = buckets(Period(utc("2026-10-20T12:00"), utc("2026-11-20T12:00")), 7 * DAY, zone)
    begins = [one.start.astimezone(zone) for one in found[1:]]
    assert [f"{begin:%a %H:%M}" for begin in begins] == ["Mon 00:00"] * 4


@given(
    minutes,
    st.integers(1, 4_000),
    st.sampled_from(["minute", "hour", "day"]),
    st.sampled_from(ZONES),
)
def test_buckets_are_the_period_cut_where_the_clock_of_the_zone_turns(
    start: datetime, length: int, step: str, name: str
) -> None:
    zone, period = ZoneInfo(name), Period(start, start + length * MINUTE)
    found = buckets(period, STEPS[step], zone)
    assert found[0].start == period.start
    assert found[-1].end == period.end
    format = {"minute": "%F %H:%M", "hour": "%F %H", "day": "%F"}[step]

    def shown(moment: datetime) -> str:
        return moment.astimezone(zone).strftime(format)

    for one, following in zip(found, [*found[1:], None], strict=True):
        assert one.start < one.end
        assert shown(one.start) == shown(one.end - MINUTE)
        if following:
            assert one.end == following.start
            assert shown(one.end) != shown(one.start) or step == "hour"
