"""A session's report, from what was folded."""

import math
from datetime import datetime

import msgspec

from reports.activity import Activity
from reports.moments import moment
from reports.parameters import Parameters
from reports.pointer import PointerState
from reports.sketch import Sketch


class Metrics(msgspec.Struct, frozen=True):
    """Every number of a session's report; None where it is not defined.

    i runs over uncut intervals, d = √(Δx² + Δy²), v = d/Δt. Percentiles and the median
    come from sketches, within 1 %. Sources: distance, speeds, accelerations and flips as in
    mousetrap (Kieslich & Henninger), flips first by Freeman & Ambady (2010); straightness
    and the sum of angles by Antal & Egyed-Zsigmond (arXiv:1810.04668). Cuts, weighing by
    time, activity and rage bursts are our own.

    events, by_category, by_name: number of events, also by category, and by category
        and name; other_kinds: of those whose category and name came after the first
        `kinds` different ones, and which stand in neither.
    errors: as given.
    page_views, submits: `page interaction`/`pageview`, `form interaction`/`submit`.
    started_at, ended_at: timestamps of the first and the last event.
    duration_ms: ended_at − started_at, ms.
    active_ms: Σ of the times between consecutive events that are ≤ active_gap_ms, ms.
    samples: pointer samples after merging those of equal time.
    distance_px: Σ d, px.
    observed_ms, moving_ms: Σ Δt, and Σ Δt where d > 0, ms.
    span_ms: time of the last sample − time of the first, ms.
    mean_speed: distance_px / moving_ms × 1000, px/s; None if nothing moved.
    mean_speed_elapsed: distance_px / span_ms × 1000, px/s; None if the span is 0.
    speed_p50, speed_p95: the smallest v with Σ Δt[speed ≤ v] ≥ q · moving_ms, px/s.
    peak_speed: max v, px/s; None if nothing moved.
    median_dt_ms: the smallest Δt that half of the intervals do not exceed, ms.
    acceleration_p95: of |v_i+1 − v_i| / ((t_i+1 − t_i−1)/2) inside a stroke, weighted by
        that time, px/s²; None where median_dt_ms > coarse_ms.
    strokes, gaps: maximal uncut runs of intervals; cuts by Δt > gap_ms.
    straightness: Σ ‖end − start‖ of the strokes / distance_px, 0…1; None if that is 0.
    turning_rad: Σ |Δθ| between consecutive intervals with d > 0 of a stroke, θ =
        atan2(Δy, Δx), Δθ wrapped into (−π, π], rad.
    flips_x, flips_y: changes of direction along the axis inside a stroke, each after at
        least flip_px of travel in the new direction.
    clicks, rage_bursts: clicks; maximal runs of ≥ rage_clicks clicks with each
        ≤ rage_ms after and ≤ rage_px (Euclid) from the one before.
    flags: `coarse` if median_dt_ms > coarse_ms, `teleports` if peak_speed >
        teleport_speed, `clock_skew` if |clock offset| > skew_ms, `capped` if there were
        more than max_samples samples, or samples in more than max_seconds seconds or
        max_minutes minutes: those after the first so many are not measured. So it is where
        there were events in more than max_minutes minutes: none of the later ones has a
        part in the rollups.
    """

    version: str
    events: int
    by_category: dict[str, int]
    by_name: dict[str, dict[str, int]]
    other_kinds: int
    errors: int
    page_views: int
    submits: int
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: float | None
    active_ms: float
    samples: int
    distance_px: float
    observed_ms: float
    moving_ms: float
    span_ms: float | None
    mean_speed: float | None
    mean_speed_elapsed: float | None
    speed_p50: float | None
    speed_p95: float | None
    peak_speed: float | None
    median_dt_ms: float | None
    acceleration_p95: float | None
    strokes: int
    gaps: int
    straightness: float | None
    turning_rad: float
    flips_x: int
    flips_y: int
    clicks: int
    rage_bursts: int
    flags: tuple[str, ...]

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")


def report(
    activity: Activity,
    pointer: PointerState,
    parameters: Parameters,
    errors: int,
    clock_offset_ms: float | None,
) -> Metrics:
    first_us, last_us = activity.first_us, activity.last_us
    span_us = _between(pointer.first_us, pointer.last.t if pointer.last else None)
    median_dt_ms = _median_dt_ms(pointer)
    flags = _flags(median_dt_ms, activity, pointer, clock_offset_ms, parameters)
    return Metrics(
        version=parameters.version,
        events=activity.events,
        by_category={c: sum(names.values()) for c, names in activity.kinds.items()},
        by_name=activity.kinds,
        other_kinds=activity.other_kinds,
        errors=errors,
        page_views=activity.page_views,
        submits=activity.submits,
        started_at=None if first_us is None else moment(first_us),
        ended_at=None if last_us is None else moment(last_us),
        duration_ms=_ms(_between(first_us, last_us)),
        active_ms=activity.active_us / 1000,
        samples=pointer.samples,
        distance_px=pointer.distance_px,
        observed_ms=pointer.observed_us / 1000,
        moving_ms=pointer.moving_us / 1000,
        span_ms=_ms(span_us),
        mean_speed=_per_second(pointer.distance_px, pointer.moving_us),
        mean_speed_elapsed=_per_second(pointer.distance_px, span_us),
        speed_p50=_speed(pointer, 50),
        speed_p95=_speed(pointer, 95),
        peak_speed=pointer.peak or None,
        median_dt_ms=median_dt_ms,
        acceleration_p95=_acceleration(pointer, flags),
        strokes=pointer.strokes,
        gaps=pointer.gaps,
        straightness=_straightness(pointer),
        turning_rad=pointer.turning_rad,
        flips_x=pointer.axis_x.flips,
        flips_y=pointer.axis_y.flips,
        clicks=activity.clicks,
        rage_bursts=activity.rage_bursts,
        flags=flags,
    )


def _between(first_us: int | None, last_us: int | None) -> int | None:
    return None if first_us is None or last_us is None else last_us - first_us


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


def _per_second(distance_px: float, us: int | None) -> float | None:
    return distance_px * 1_000_000 / us if us else None


def _speed(pointer: PointerState, percent: int) -> float | None:
    """The value that stands for a bucket can lie above all that is in it, but not above the peak."""
    speed = Sketch(pointer.speeds).percentile(percent)
    return None if speed is None else min(speed, pointer.peak)


def _median_dt_ms(pointer: PointerState) -> float | None:
    median_us = Sketch(pointer.steps).percentile(50)
    return None if median_us is None else median_us / 1000


def _acceleration(pointer: PointerState, flags: tuple[str, ...]) -> float | None:
    """None on coarse data: the difference of two differences is then mostly noise."""
    if "coarse" in flags:
        return None
    return Sketch(pointer.accelerations).percentile(95)


def _straightness(pointer: PointerState) -> float | None:
    chords = pointer.chords_px
    if pointer.start and pointer.last:
        dx, dy = pointer.last.x - pointer.start[0], pointer.last.y - pointer.start[1]
        chords += math.sqrt(dx * dx + dy * dy)
    # A straight path's two sums may differ in the last bits.
    return min(1.0, chords / pointer.distance_px) if pointer.distance_px else None


def _flags(
    median_dt_ms: float | None,
    activity: Activity,
    pointer: PointerState,
    clock_offset_ms: float | None,
    parameters: Parameters,
) -> tuple[str, ...]:
    raised = {
        "coarse": (median_dt_ms or 0) > parameters.coarse_ms,
        "teleports": pointer.peak > parameters.teleport_speed,
        "clock_skew": abs(clock_offset_ms or 0) > parameters.skew_ms,
        "capped": pointer.capped or activity.minutes > parameters.max_minutes,
    }
    return tuple(flag for flag, is_raised in raised.items() if is_raised)
