"""Every field of a report once more, written from the definitions and not from the fold.

Plain Python over whole lists, as slow as it likes: exact quantiles, `math.fsum`,
`math.hypot`, `math.atan2`. Below it, the events that the tests of the fold are made of.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from reports.fold import FoldEvent, Metrics, Parameters

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
START = datetime(2024, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)


@dataclass
class Sample:
    t: int
    x: float
    y: float
    page: str | None


@dataclass
class Interval:
    start: Sample
    end: Sample

    @property
    def dt(self) -> int:
        return self.end.t - self.start.t

    @property
    def d(self) -> float:
        return math.hypot(self.end.x - self.start.x, self.end.y - self.start.y)

    @property
    def speed(self) -> float:
        return self.d / (self.dt / 1_000_000)

    @property
    def direction(self) -> float:
        return math.atan2(self.end.y - self.start.y, self.end.x - self.start.x)


type Stroke = list[Interval]


@dataclass
class Reference:
    """fields: every exact field; sketched: those a sketch may miss by 1 %.

    With the flags and the version they are all that a report has.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    sketched: dict[str, float | None] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    seconds: dict[datetime, dict[str, Any]] = field(default_factory=dict)


def reference(
    given: Iterable[FoldEvent],
    p: Parameters,
    errors: int = 0,
    clock_offset_ms: float | None = None,
) -> Reference:
    events = sorted({e.id: e for e in given}.values(), key=lambda e: (e.timestamp, e.id))
    samples = measured(samples_of(events), p)
    strokes, gaps = strokes_of(samples, p)
    result = Reference()
    result.fields = {
        **activity_fields(events, p),
        **path_fields(samples, strokes),
        "errors": errors,
        "gaps": gaps,
        "flips_x": sum(flips([i.end.x - i.start.x for i in s], p) for s in strokes),
        "flips_y": sum(flips([i.end.y - i.start.y for i in s], p) for s in strokes),
    }
    result.sketched = sketched_fields(strokes)
    result.flags = flags_of(result, p, clock_offset_ms)
    result.seconds = seconds_of(samples, strokes)
    return result


def samples_of(events: Sequence[FoldEvent]) -> list[Sample]:
    at_time: dict[int, Sample] = {}
    for event in events:
        for sample in event_samples(event):
            at_time[sample.t] = sample
    samples = sorted(at_time.values(), key=lambda s: s.t)
    for before, sample in pairwise(samples):
        sample.page = before.page if sample.page is None else sample.page
    return samples


def measured(samples: list[Sample], p: Parameters) -> list[Sample]:
    minutes, seconds = set[int](), set[int]()
    for number, sample in enumerate(samples):
        minutes.add(sample.t // 60_000_000)
        seconds.add(sample.t // 1_000_000)
        many = number >= p.max_samples or len(seconds) > p.max_seconds
        if many or len(minutes) > p.max_minutes:
            return samples[:number]
    return samples


def event_samples(event: FoldEvent) -> list[Sample]:
    start = (event.timestamp - EPOCH) // MICROSECOND
    data = json.loads(event.data)
    match event.category, event.name, data:
        case "pointer", "move", {"x": int() | float() as x, "y": int() | float() as y}:
            return [Sample(start, x, y, None)]
        case "pointer", "path", {"t": t, "x": xs, "y": ys} if len(t) == len(xs) == len(ys):
            page = data.get("page", {}).get("path")
            times = [start + round(ms * 1000) for ms in t]
            return [Sample(*one, page) for one in zip(times, xs, ys, strict=True)]
    return []


def strokes_of(samples: list[Sample], p: Parameters) -> tuple[list[Stroke], int]:
    strokes: list[Stroke] = [[]]
    gaps = 0
    for start, end in pairwise(samples):
        late = end.t - start.t > p.gap_ms * 1000
        turned = start.page is not None and start.page != end.page
        gaps += late
        if late or turned:
            strokes.append([])
        else:
            strokes[-1].append(Interval(start, end))
    return [stroke for stroke in strokes if stroke], gaps


def path_fields(samples: list[Sample], strokes: list[Stroke]) -> dict[str, Any]:
    uncut = [interval for stroke in strokes for interval in stroke]
    moving = [i for i in uncut if i.d > 0]
    distance = math.fsum(i.d for i in uncut)
    moving_ms = sum(i.dt for i in moving) / 1000
    span_ms = (samples[-1].t - samples[0].t) / 1000 if samples else None
    chords = math.fsum(Interval(s[0].start, s[-1].end).d for s in strokes)
    return {
        "samples": len(samples),
        "distance_px": distance,
        "observed_ms": sum(i.dt for i in uncut) / 1000,
        "moving_ms": moving_ms,
        "span_ms": span_ms,
        "mean_speed": distance / moving_ms * 1000 if moving else None,
        "mean_speed_elapsed": distance / span_ms * 1000 if span_ms else None,
        "peak_speed": max((i.speed for i in moving), default=None),
        "strokes": len(strokes),
        "straightness": chords / distance if distance else None,
        "turning_rad": math.fsum(map(turning, strokes)),
    }


def turning(stroke: Stroke) -> float:
    directions = [i.direction for i in stroke if i.d > 0]
    return math.fsum(abs(math.remainder(b - a, math.tau)) for a, b in pairwise(directions))


def flips(steps: list[float], p: Parameters) -> int:
    runs: list[float] = []
    for step in steps:
        if runs and runs[-1] * step > 0:
            runs[-1] += step
        elif step:
            runs.append(step)
    settled = [run for run in runs if abs(run) >= p.flip_px]
    return sum(a * b < 0 for a, b in pairwise(settled))


def sketched_fields(strokes: list[Stroke]) -> dict[str, float | None]:
    uncut = [interval for stroke in strokes for interval in stroke]
    speeds = [(i.speed, i.dt) for i in uncut if i.d > 0]
    median = quantile([(i.dt / 1000, 1) for i in uncut], 50)
    return {
        "speed_p50": quantile(speeds, 50),
        "speed_p95": quantile(speeds, 95),
        "median_dt_ms": median,
        "acceleration_p95": quantile(accelerations(strokes), 95),
    }


def flags_of(found: Reference, p: Parameters, clock_offset_ms: float | None) -> set[str]:
    median, peak = found.sketched["median_dt_ms"], found.fields["peak_speed"]
    raised = {
        "coarse": median is not None and median > p.coarse_ms,
        "teleports": peak is not None and peak > p.teleport_speed,
        "clock_skew": clock_offset_ms is not None and abs(clock_offset_ms) > p.skew_ms,
    }
    return {flag for flag, is_raised in raised.items() if is_raised}


def accelerations(strokes: list[Stroke]) -> list[tuple[float, int]]:
    return [
        (abs(b.speed - a.speed) / ((b.end.t - a.start.t) / 2e6), b.end.t - a.start.t)
        for stroke in strokes
        for a, b in pairwise(stroke)
    ]


def quantile(weighted: list[tuple[float, int]], percent: int) -> float | None:
    total = sum(weight for _, weight in weighted)
    below = 0
    for value, weight in sorted(weighted):
        below += weight
        if below * 100 >= total * percent:
            return value
    return None


def activity_fields(events: Sequence[FoldEvent], p: Parameters) -> dict[str, Any]:
    times = [(e.timestamp - EPOCH) // MICROSECOND for e in events]
    pauses = [b - a for a, b in pairwise(times)]
    names = Counter((e.category, e.name) for e in events)
    clicks = [click for e in events if (click := click_of(e))]
    return {
        "events": len(events),
        "by_category": dict(Counter(e.category for e in events)),
        "by_name": {
            category: {n: count for (c, n), count in names.items() if c == category}
            for category, _ in names
        },
        "other_kinds": 0,
        "page_views": names["page interaction", "pageview"],
        "submits": names["form interaction", "submit"],
        "started_at": events[0].timestamp if events else None,
        "ended_at": events[-1].timestamp if events else None,
        "duration_ms": (times[-1] - times[0]) / 1000 if events else None,
        "active_ms": sum(p_ for p_ in pauses if p_ <= p.active_gap_ms * 1000) / 1000,
        "clicks": len(clicks),
        "rage_bursts": rage_bursts(clicks, p),
    }


def click_of(event: FoldEvent) -> Sample | None:
    data = json.loads(event.data)
    match event.category, event.name, data:
        case "pointer", "click", {"x": int() | float() as x, "y": int() | float() as y}:
            return Sample((event.timestamp - EPOCH) // MICROSECOND, x, y, None)
    return None


def rage_bursts(clicks: list[Sample], p: Parameters) -> int:
    runs = [1] if clicks else []
    for pair in pairwise(clicks):
        step = Interval(*pair)
        if step.dt <= p.rage_ms * 1000 and step.d <= p.rage_px:
            runs[-1] += 1
        else:
            runs.append(1)
    return sum(run >= p.rage_clicks for run in runs)


def seconds_of(samples: list[Sample], strokes: list[Stroke]) -> dict[datetime, dict[str, Any]]:
    uncut = [interval for stroke in strokes for interval in stroke]
    seconds = {}
    for at in sorted({s.t // 1_000_000 for s in samples}):
        ending = [i for i in uncut if i.end.t // 1_000_000 == at]
        moving = [i for i in ending if i.d > 0]
        seconds[datetime.fromtimestamp(at, UTC)] = {
            "distance_px": math.fsum(i.d for i in ending),
            "moving_ms": sum(i.dt for i in moving) / 1000,
            "peak_speed": max((i.speed for i in moving), default=None),
            "samples": sum(s.t // 1_000_000 == at for s in samples),
        }
    return seconds


def about(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


def is_as_defined(found: Any, expected: Reference, p: Parameters) -> None:
    """Looks at every field of a report, whatever it is kept in.

    At the very threshold of `coarse`, the median of a sketch may be on either side.
    """
    told = {*expected.fields, *expected.sketched, "flags", "version"}
    assert told == {*Metrics.__struct_fields__}
    assert found.version == p.version
    for name, value in expected.fields.items():
        assert getattr(found, name) == about(value), name
    median, sketched = expected.sketched["median_dt_ms"], dict(expected.sketched)
    is_coarse = "coarse" in found.flags
    if median is None or abs(median / p.coarse_ms - 1) > 0.01:
        assert {*found.flags} == expected.flags
    else:
        assert {*found.flags} - {"coarse"} == expected.flags - {"coarse"}
    if is_coarse:
        sketched["acceleration_p95"] = None
    for name, value in sketched.items():
        near = None if value is None else pytest.approx(value, rel=0.01, abs=1e-3)
        assert getattr(found, name) == near, name


def event(ms: float, category: str, name: str, number: int | None = None, **data: Any) -> FoldEvent:
    """An event `ms` after START; its id is its number, or goes with its time."""
    us = round(ms * 1000)
    id = UUID(int=(us << 64) + 1 if number is None else number)
    return FoldEvent(id, START + us * MICROSECOND, category, name, json.dumps(data or {"a": 1}))


def move(ms: float, x: float, y: float, number: int | None = None) -> FoldEvent:
    return event(ms, "pointer", "move", number, x=x, y=y)


def click(ms: float, x: float, y: float, number: int | None = None) -> FoldEvent:
    return event(ms, "pointer", "click", number, x=x, y=y, button=0, target="a")


def path(
    ms: float,
    points: Sequence[tuple[float, float, float]],
    page: str | None = None,
    number: int | None = None,
) -> FoldEvent:
    """A path event from (t, x, y) points."""
    t, x, y = ([point[axis] for point in points] for axis in range(3))
    where = {} if page is None else {"page": {"path": page, "w": 1400, "h": 3000}}
    return event(ms, "pointer", "path", number, t=t, x=x, y=y, **where)
