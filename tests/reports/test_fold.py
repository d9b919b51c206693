"""The fold: one result, however the events came, and the one the definitions ask for."""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.fold import (
    VERSION,
    FoldEvent,
    Minute,
    OutOfOrder,
    Parameters,
    PointerSecond,
    State,
    finish,
    fold,
    fold_in_order,
)
from reports.heat import MOST_PAGES, HeatKey, merged
from reports.sketch import Sketch
from tests.reports.reference import (
    START,
    about,
    click,
    event,
    is_as_defined,
    move,
    path,
    reference,
)

PARAMETERS = Parameters()
CASES = settings(deadline=None, max_examples=150)

pauses = st.sampled_from([0, 0, 0.001, 7, 8.3, 16.7, 50, 490, 500, 500.001, 900, 30_000, 30_001])
steps = st.sampled_from([0, 0, 0.1, 8, 8.3, 16.7, 50, 120.5, 500, 501])
places = st.one_of(
    st.just(-0.0),
    st.integers(-40, 40).map(lambda quarter: quarter / 4),
    st.integers(0, 1400).map(float),
    st.integers(-4_000_000, 4_000_000).map(lambda quarter: quarter / 4),
)
kinds = st.sampled_from(
    ["path", "path", "path", "move", "click", "click", "page", "submit", "odd", "broken"]
)
pages = st.sampled_from([None, None, "/", "/cart"])
BROKEN = ["{}", '{"x": "1"}', '{"t": [0], "x": [1, 2], "y": [0]}', '{"x": null, "y": 1}']


@st.composite
def points(draw: st.DrawFn) -> list[tuple[float, float, float]]:
    t, found = draw(st.sampled_from([0, 0, 0, 12.5, 700])), []
    for _ in range(draw(st.integers(1, 8))):
        found.append((round(t, 1), draw(places), draw(places)))
        t += draw(steps)
    return found


@st.composite
def any_event(draw: st.DrawFn, ms: float, number: int) -> FoldEvent:
    match draw(kinds):
        case "path":
            return path(ms, draw(points()), draw(pages), number)
        case "move":
            return move(ms, draw(places), draw(places), number)
        case "click":
            return click(ms, draw(st.sampled_from([0, 20, 31])), 0, number)
        case "page":
            return event(ms, "page interaction", "pageview", number, url="/")
        case "submit":
            return event(ms, "form interaction", "submit", number)
        case "broken":
            name = draw(st.sampled_from(["path", "move", "click", "leave"]))
            data = draw(st.sampled_from(BROKEN))
            return event(ms, "pointer", name, number)._replace(data=data)
    return event(ms, draw(st.sampled_from(["purchase", "Ünï"])), "x", number)


@st.composite
def sessions(draw: st.DrawFn) -> list[FoldEvent]:
    """Events in the order of time; half of the sessions run on from event to event."""
    ids = draw(st.lists(st.integers(0, 2**128 - 1), unique=True, max_size=12))
    follows = draw(st.booleans())
    ms, found = 0.0, []
    for number in ids:
        found.append(draw(any_event(ms, number)))
        lasts = max(json.loads(found[-1].data).get("t", [0])) if follows else 0
        ms = round(ms + lasts + draw(pauses), 3)
    return sorted(found, key=lambda e: (e.timestamp, e.id))


type Result = tuple[bytes, bytes, str, dict[datetime, Minute], dict[HeatKey, bytes]]


class Builder:
    """What a builder keeps: the state as JSON, the rows by second, minute and page, the events."""

    def __init__(
        self, stored: Callable[[bytes], bytes], parameters: Parameters = PARAMETERS
    ) -> None:
        self.stored = stored
        self.parameters = parameters
        self.state: bytes | None = None
        self.rows: dict[datetime, PointerSecond] = {}
        self.minutes: dict[datetime, Minute] = {}
        self.heat: dict[HeatKey, bytes] = {}
        self.events: list[FoldEvent] = []

    def take(self, events: list[FoldEvent]) -> None:
        self.events += events
        state = None if self.state is None else State.from_json(self.state)
        try:
            folded = fold(state, events, self.parameters)
        except OutOfOrder:
            folded = fold(None, self.events, self.parameters)
            self.rows.clear()
            self.minutes.clear()
            self.heat.clear()
        self.state = self.stored(folded.state.to_json())
        self.rows.update((row.second, row) for row in folded.seconds)
        for at, minute in folded.minutes.items():
            self.minutes[at] = self.minutes.get(at, Minute()).plus(minute)
        for key, bins in folded.heat.items():
            self.heat[key] = merged(self.heat.get(key, b"") + bins)

    def result(self) -> Result:
        assert self.state is not None
        state, rows = State.from_json(self.state), repr(sorted(self.rows.values()))
        return state.to_json(), finish(state).to_json(), rows, self.minutes, self.heat


def as_text(state: bytes) -> bytes:
    return state


def as_jsonb(state: bytes) -> bytes:
    """Keys in another order and whole floats without a point, as PostgreSQL may have it."""
    plain = json.loads(state, parse_float=lambda text: int(f) if (f := float(text)) % 1 == 0 else f)
    return json.dumps(plain, sort_keys=True, indent=1).encode()


def result(events: list[FoldEvent], parameters: Parameters = PARAMETERS) -> Result:
    builder = Builder(as_text, parameters)
    builder.take(events)
    return builder.result()


def in_batches(data: st.DataObject, events: list[FoldEvent]) -> list[list[FoldEvent]]:
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=5).map(sorted))
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


@CASES
@given(sessions(), st.data())
def test_any_order_and_repetition_gives_the_same_bytes(
    events: list[FoldEvent], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    shuffled = data.draw(st.permutations(events + again))
    assert result(shuffled) == result(events)


@CASES
@given(sessions(), st.sampled_from([as_text, as_jsonb]), st.data())
def test_any_split_in_time_gives_the_same_bytes(
    events: list[FoldEvent], stored: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    builder = Builder(stored)
    for batch in in_batches(data, events):
        builder.take(batch)
    assert builder.result() == result(events)


@CASES
@given(sessions(), st.data())
def test_any_arrival_gives_the_same_bytes(events: list[FoldEvent], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    builder = Builder(as_text)
    for batch in in_batches(data, data.draw(st.permutations(events + again))):
        builder.take(batch)
    assert builder.result() == result(events)


@CASES
@given(sessions(), st.integers(1, 7))
def test_the_size_of_a_block_does_not_show(events: list[FoldEvent], block: int) -> None:
    folded = fold_in_order(None, events, PARAMETERS, block=block)
    whole = fold(None, events, PARAMETERS)
    assert folded.state.to_json() == whole.state.to_json()
    assert repr(folded.seconds) == repr(whole.seconds)
    assert folded.minutes == whole.minutes
    assert folded.heat == whole.heat


@CASES
@given(sessions())
def test_every_field_is_what_the_definitions_say(events: list[FoldEvent]) -> None:
    folded = fold(None, events, PARAMETERS)
    expected = reference(events, PARAMETERS, errors=3, clock_offset_ms=-60_001)
    is_as_defined(finish(folded.state, errors=3, clock_offset_ms=-60_001), expected, PARAMETERS)
    rows = {row.second: row._asdict() for row in folded.seconds}
    assert rows.keys() == expected.seconds.keys()
    for second, fields in expected.seconds.items():
        for name, value in fields.items():
            assert rows[second][name] == about(value), (second, name)


@CASES
@given(sessions())
def test_the_seconds_add_up_to_the_totals(events: list[FoldEvent]) -> None:
    folded = fold(None, events, PARAMETERS)
    found = finish(folded.state)
    rows = folded.seconds
    assert math.fsum(row.distance_px for row in rows) == pytest.approx(found.distance_px, rel=1e-9)
    assert math.fsum(row.moving_ms for row in rows) == pytest.approx(found.moving_ms, rel=1e-9)
    assert sum(row.samples for row in rows) == found.samples
    assert max((row.peak_speed or 0 for row in rows), default=0) == (found.peak_speed or 0)


@CASES
@given(sessions(), st.sampled_from([1, 2]))
def test_the_minutes_are_their_seconds_and_add_up(events: list[FoldEvent], apart: int) -> None:
    sent = [event._replace(application_id=n % apart) for n, event in enumerate(events)]
    folded = fold(None, sent, PARAMETERS)
    for at, minute in folded.minutes.items():
        seconds = [one for one in folded.seconds if one.second.replace(second=0) == at]
        within = [one for one in sent if one.timestamp.replace(second=0, microsecond=0) == at]
        moving_us = sum(round(one.moving_ms * 1000) for one in seconds)
        distance = math.fsum(one.distance_px for one in seconds)
        assert minute.distance_px == pytest.approx(distance, rel=1e-9, abs=1e-4)
        assert (minute.moving_us, minute.samples) == (moving_us, sum(s.samples for s in seconds))
        assert minute.events == Counter(one.application_id for one in within)
    speeds = Sketch.unpacked(b"".join(minute.speeds for minute in folded.minutes.values()))
    assert speeds.pairs() == folded.state.pointer.speeds
    assert {one.second.replace(second=0) for one in folded.seconds} <= folded.minutes.keys()


@CASES
@given(sessions(), st.integers(0, 9), st.data())
def test_samples_after_the_first_so_many_are_not_measured(
    events: list[FoldEvent], most: int, data: st.DataObject
) -> None:
    parameters = replace(PARAMETERS, max_samples=most)
    builder = Builder(as_text, parameters)
    for batch in in_batches(data, data.draw(st.permutations(events))):
        builder.take(batch)
    assert builder.result() == result(events, parameters)
    found = finish(fold(None, events, parameters).state)
    expected = reference(events, parameters)
    for name, value in expected.fields.items():
        assert getattr(found, name) == about(value), name
    all_of_them = fold(None, events, PARAMETERS).state.pointer.samples
    assert ("capped" in found.flags) == (all_of_them > most)


@CASES
@given(sessions(), st.integers(0, 4), st.integers(0, 3), st.data())
def test_nor_are_those_after_the_first_so_many_seconds_and_minutes(
    events: list[FoldEvent], seconds: int, minutes: int, data: st.DataObject
) -> None:
    parameters = replace(PARAMETERS, max_seconds=seconds, max_minutes=minutes)
    builder = Builder(as_text, parameters)
    for batch in in_batches(data, data.draw(st.permutations(events))):
        builder.take(batch)
    assert builder.result() == result(events, parameters)
    folded = fold(None, events, parameters)
    assert len(folded.seconds) <= seconds
    assert len(folded.minutes) <= 2 * minutes  # those with samples, and those with events
    found = finish(folded.state)
    expected = reference(events, parameters)
    for name, value in expected.fields.items():
        assert getattr(found, name) == about(value), name
    everything = fold(None, events, PARAMETERS)
    with_events = sum(bool(minute.events) for minute in everything.minutes.values())
    is_less = found.samples < everything.state.pointer.samples
    assert ("capped" in found.flags) == (is_less or with_events > minutes)


@CASES
@given(sessions(), st.data())
def test_it_goes_on_exactly_when_everything_lies_after(
    events: list[FoldEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    before, after = events[:cut], events[cut:]
    state = fold(None, before, PARAMETERS).state
    first = fold(None, after, PARAMETERS).state.pointer.first_us
    last = state.pointer.last
    if last is None or first is None or first > last.t:
        fold(state, after, PARAMETERS)
    else:
        with pytest.raises(OutOfOrder):
            fold(state, after, PARAMETERS)


def long_path(count: int, step_ms: float = 8) -> list[tuple[float, float, float]]:
    """A wobbling ellipse."""
    return [
        (
            round(i * step_ms, 1),
            round(700 + 600 * math.cos(i / 40) + 3 * math.sin(i), 1),
            round(400 + 300 * math.sin(i / 40) + 3 * math.cos(i * 1.7), 1),
        )
        for i in range(count)
    ]


def test_a_long_path_is_what_the_definitions_say() -> None:
    events = [path(0, long_path(5000)), path(40_100, long_path(3000), "/b", 2**100)]
    found = finish(fold(None, events, PARAMETERS).state)
    is_as_defined(found, reference(events, PARAMETERS), PARAMETERS)


def test_a_path_in_small_pieces_is_the_path_in_one() -> None:
    whole = long_path(2000)
    state = fold(None, [], PARAMETERS).state
    for start in range(0, 2000, 30):
        begins = whole[start][0]
        piece = [(round(t - begins, 1), x, y) for t, x, y in whole[start : start + 30]]
        state = State.from_json(fold(state, [path(begins, piece)], PARAMETERS).state.to_json())
    at_once = fold(None, [path(0, whole)], PARAMETERS).state
    assert state.pointer == at_once.pointer


@pytest.mark.parametrize("seed", range(20))
def test_going_on_after_every_event_is_folding_them_at_once(seed: int) -> None:
    """Rests, cuts and turns after one another, with the state stored at each of them."""
    dice, ms, events = Random(seed), 0.0, []
    for _ in range(150):
        ms += dice.choice([8, 8, 8, 40, 501])
        x, y = dice.choice([0, 4, 8, 30]), dice.choice([0, 3, 9])
        page = dice.choice([None, None, None, "/a", "/b"])
        events.append(path(ms, [(0, x, y)], page))
    builder = Builder(as_text)
    for one in events:
        state = State.from_json(builder.state) if builder.state else None
        fold(state, [one], PARAMETERS)
        builder.take([one])
    assert builder.result() == result(events)
    expected = reference(events, PARAMETERS).fields
    assert finish(fold(None, events, PARAMETERS).state).turning_rad == about(
        expected["turning_rad"]
    )


def test_folding_leaves_the_state_it_began_with() -> None:
    state = fold(None, [path(0, long_path(50)), click(1000, 1, 1)], PARAMETERS).state
    before = state.to_json()
    fold(state, [path(2000, long_path(50)), click(3000, 1, 1)], PARAMETERS)
    assert state.to_json() == before


def test_it_says_how_many_events_it_folded() -> None:
    one = fold(None, [move(0, 1, 1), move(0, 1, 1), click(5, 1, 1)], PARAMETERS)
    two = fold(one.state, [move(10, 2, 2)], PARAMETERS)
    assert (one.events, two.events, two.state.events) == (2, 1, 3)
    assert two.state.last_id == move(10, 2, 2).id


def test_only_the_seconds_touched_are_given_and_whole() -> None:
    first = fold(None, [path(0, [(0, 0, 0), (800, 0, 0), (900, 5, 0)])], PARAMETERS)
    second = fold(first.state, [move(1000, 8, 0)], PARAMETERS)
    (row,) = second.seconds
    assert row.second == datetime(2025, 1, 1, 0, 0, 0, tzinfo=UTC)
    assert (row.distance_px, row.moving_ms, row.peak_speed, row.samples) == (8, 200, 50, 3)
    assert first.seconds[-1].samples == 2


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(move(990, 1, 1), id="before the last event"),
        pytest.param(click(1000, 1, 1, number=1), id="at its time, with a smaller id"),
        pytest.param(move(1000, 1, 1), id="the last event again"),
        pytest.param(move(1050, 1, 1), id="before the last sample"),
        pytest.param(move(1100, 1, 1), id="at the time of the last sample"),
    ],
)
def test_a_late_event_is_out_of_order(late: FoldEvent) -> None:
    state = fold(None, [path(1000, [(0, 0, 0), (100, 5, 5)])], PARAMETERS).state
    with pytest.raises(OutOfOrder):
        fold(state, [late, move(2000, 1, 1)], PARAMETERS)


@pytest.mark.parametrize(
    "timely",
    [
        pytest.param(click(1050, 1, 1), id="a click while the path goes on"),
        pytest.param(event(1001, "page interaction", "pageview"), id="a page view"),
        pytest.param(path(1050, [(60, 1, 1)]), id="a path whose samples come later"),
        pytest.param(move(1100.001, 1, 1), id="a microsecond after the last sample"),
    ],
)
def test_an_event_after_the_last_is_in_order(timely: FoldEvent) -> None:
    first = path(1000, [(0, 0, 0), (100, 5, 5)])
    state = fold(None, [first], PARAMETERS).state
    gone_on = fold(state, [timely], PARAMETERS).state
    assert gone_on.to_json() == fold(None, [timely, first], PARAMETERS).state.to_json()


def test_a_state_of_other_parameters_is_not_gone_on_with() -> None:
    state = fold(None, [move(0, 1, 1)], PARAMETERS).state
    with pytest.raises(OutOfOrder):
        fold(state, [move(10, 1, 1)], replace(PARAMETERS, gap_ms=400))


def test_the_version_names_the_algorithm_and_its_parameters() -> None:
    number, fingerprint = PARAMETERS.version.split(":")
    assert int(number) == VERSION
    assert len(fingerprint) == 8
    assert PARAMETERS.version == Parameters().version
    assert PARAMETERS.version != replace(PARAMETERS, rage_px=31).version
    assert finish(fold(None, [], PARAMETERS).state).version == PARAMETERS.version


def test_events_are_counted_by_category_and_by_name() -> None:
    found = finish(
        fold(
            None,
            [
                event(0, "page interaction", "pageview"),
                event(1, "page interaction", "cta click"),
                event(2, "page interaction", "pageview"),
                event(3, "form interaction", "submit"),
                event(4, "other", "submit"),
            ],
            PARAMETERS,
        ).state
    )
    assert found.events == 5
    assert found.by_category == {"form interaction": 1, "other": 1, "page interaction": 3}
    assert found.by_name["page interaction"] == {"cta click": 1, "pageview": 2}
    assert (found.page_views, found.submits, found.other_kinds) == (2, 1, 0)


def test_kinds_beyond_the_limit_are_counted_together() -> None:
    events = [event(i, "page interaction", name) for i, name in enumerate("abcabd")]
    events.append(event(9, "page interaction", "pageview"))
    found = finish(fold(None, events, Parameters(kinds=2)).state)
    assert found.by_name == {"page interaction": {"a": 2, "b": 2}}
    assert (found.events, found.other_kinds, found.page_views) == (7, 3, 1)


def test_active_time_leaves_out_long_pauses() -> None:
    found = finish(
        fold(None, [event(ms, "a", "b") for ms in (0, 1000, 31_000, 61_000.001)], PARAMETERS).state
    )
    assert found.active_ms == 31_000
    assert found.duration_ms == 61_000.001
    assert found.started_at == START


def test_a_session_may_last_for_years() -> None:
    years_ms = 3 * 365 * 86_400_000
    found = finish(fold(None, [move(0, 0, 0), move(years_ms, 1, 1)], PARAMETERS).state)
    assert found.span_ms == found.duration_ms == years_ms
    assert found.gaps == 1


def test_no_events_make_a_report_of_nothing() -> None:
    found = finish(fold(None, [], PARAMETERS).state)
    assert found.events == found.active_ms == 0
    assert (found.started_at, found.ended_at, found.duration_ms) == (None, None, None)


def test_errors_are_passed_on() -> None:
    assert finish(fold(None, [], PARAMETERS).state, errors=7).errors == 7


@pytest.mark.parametrize(
    ("offset_ms", "flags"),
    [(None, ()), (60_000, ()), (-60_000, ()), (60_001, ("clock_skew",)), (-9e9, ("clock_skew",))],
)
def test_a_clock_more_than_a_minute_off_is_flagged(
    offset_ms: float | None, flags: tuple[str, ...]
) -> None:
    assert finish(fold(None, [], PARAMETERS).state, clock_offset_ms=offset_ms).flags == flags


def test_the_state_does_not_grow_with_the_session() -> None:
    def size(rounds: int) -> int:
        events = [path(i * 10_000, long_path(1000), f"/{i}" * 500) for i in range(rounds)]
        return len(fold(None, events, PARAMETERS).state.to_json())

    assert size(MOST_PAGES + 40) < size(MOST_PAGES) * 1.1


def test_an_id_that_comes_twice_counts_once() -> None:
    number = UUID(int=5).int
    events = [click(0, 1, 1, number)] * 3
    assert finish(fold(None, events, PARAMETERS).state).clicks == 1
