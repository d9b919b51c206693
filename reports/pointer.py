"""The pointer metrics of a session, folded block by block.

The numbers go into `PointerState`, whose docstring says what each is; `fold.finish`
turns them into a report. Everything that is a float and a sum is added strictly in the
order of time, so that going on from a stored state gives the bits of starting anew.
Formulas follow mousetrap (Kieslich & Henninger), Antal & Egyed-Zsigmond
(arXiv:1810.04668) and Freeman & Ambady (2010).
"""

from typing import NamedTuple

import msgspec
import numpy as np

from reports.angle import angle_between
from reports.minutes import MINUTE_US, Minutes
from reports.parameters import Parameters
from reports.samples import UNKNOWN_PAGE, Pages, Samples
from reports.seconds import SECOND_US, PointerSecond, Second, tally
from reports.sketch import Bools, Floats, Ints, Pairs, Sketch

CLOSED = -1


class Sample(msgspec.Struct, frozen=True, array_like=True):
    t: int
    x: float
    y: float
    page: str | None


class Axis(msgspec.Struct, frozen=True, array_like=True):
    """Changes of direction along one axis.

    A run is movement in one direction, resting allowed, inside a stroke. flips: changes
    of sign between the runs of at least flip_px that follow each other in a stroke.
    settled: the sign of the last such run, counted as soon as it is long enough; sign
    and origin: the run still going on.
    """

    flips: int = 0
    settled: float = 0.0
    sign: float = 0.0
    origin: float = 0.0


class PointerState(msgspec.Struct):
    """What was folded so far; i runs over uncut intervals, d = √(Δx² + Δy²).

    samples: their number after merging. distance_px: Σ d, px. observed_us: Σ Δt, µs.
    moving_us: Σ Δt where d > 0, µs. peak: max d/Δt, px/s, 0 if nothing moved.
    strokes: maximal uncut runs of intervals. gaps: cuts by time. chords_px: Σ ‖end −
    start‖ of the strokes that have ended, px. turning_rad: Σ |Δθ| between consecutive
    intervals with d > 0 of a stroke, rad. speeds: sketch of d/Δt in px/s where d > 0,
    weighted by Δt in µs. steps: sketch of Δt in µs. accelerations: sketch of |v_i+1 −
    v_i| / ((t_i+1 − t_i−1)/2) in px/s² inside a stroke, weighted by t_i+1 − t_i−1.

    minutes, seconds: in how many (UTC) there were samples. capped: whether samples were left
    out, because as many were measured before them as may be, or in as many seconds or minutes.

    The rest is what going on needs: the first time, the last sample, the second still
    open, the last uncut interval's speed and Δt (pace), and of the stroke still open
    (None if none is) its start and its last Δx, Δy that moved (heading).
    """

    samples: int = 0
    distance_px: float = 0.0
    observed_us: int = 0
    moving_us: int = 0
    peak: float = 0.0
    strokes: int = 0
    gaps: int = 0
    chords_px: float = 0.0
    turning_rad: float = 0.0
    axis_x: Axis = Axis()
    axis_y: Axis = Axis()
    speeds: Pairs = []
    steps: Pairs = []
    accelerations: Pairs = []
    minutes: int = 0
    seconds: int = 0
    capped: bool = False
    first_us: int | None = None
    last: Sample | None = None
    second: Second | None = None
    start: tuple[float, float] | None = None
    pace: tuple[float, int] | None = None
    heading: tuple[float, float] | None = None


class Intervals(NamedTuple):
    """The uncut intervals of a block, as arrays; i is the index of its first sample.

    stroke counts the strokes of the block from 1; 0 is the one open before it.
    current is the stroke open after it, CLOSED if none is.
    """

    i: Ints
    dt: Ints
    dx: Floats
    dy: Floats
    d: Floats
    speed: Floats
    stroke: Ints
    current: int


class Tracer:
    """Goes on from a state, block by block; the state given is left as it is."""

    def __init__(self, state: PointerState, parameters: Parameters, minutes: Minutes) -> None:
        self._state = msgspec.structs.replace(state)
        self._parameters = parameters
        self._minutes = minutes
        self._steps = Sketch(state.steps)
        self._accelerations = Sketch(state.accelerations)
        self._seconds: dict[int, Second] = {}
        self.pages = Pages(state.last.page if state.last else None)

    def state(self) -> PointerState:
        speeds = Sketch(self._state.speeds)
        speeds.merge(self._minutes.speeds())
        return msgspec.structs.replace(
            self._state,
            speeds=speeds.pairs(),
            steps=self._steps.pairs(),
            accelerations=self._accelerations.pairs(),
        )

    def seconds(self) -> list[PointerSecond]:
        """Every second touched since the beginning, ascending."""
        return [second.row() for second in self._seconds.values()]

    def is_before(self, samples: Samples) -> bool:
        """Whether the samples, of increasing times, lie after all those folded."""
        last = self._state.last
        return last is None or len(samples.t) == 0 or last.t < int(samples.t[0])

    def leaves_out(self, t: int) -> bool:
        """Whether samples from `t` on change nothing any more, here and in the heat."""
        state, last = self._state, self._state.last
        is_full = state.samples >= self._parameters.max_samples
        return is_full and state.capped and last is not None and t > last.t

    def advance(self, block: Samples) -> None:
        """Fold samples of strictly increasing times that all lie after the last one."""
        block = self._measured(block)
        if len(block.t) == 0:
            return
        samples = self._with_last(block)
        long, cut = path_cuts(samples, self._parameters.gap_ms)
        uncut = ~cut
        intervals = self._intervals(samples, uncut)
        self._add_strokes(samples, uncut)
        self._state.gaps += int(np.count_nonzero(long))
        self._add_sums(intervals)
        self._add_accelerations(intervals)
        self._add_turning(intervals)
        self._add_flips(samples, intervals)
        self._add_times(block, intervals, len(samples.t) - len(block.t))
        self._remember(block, samples)

    def _measured(self, block: Samples) -> Samples:
        """The first of these samples, up to where one is too many, or its second or minute is."""
        if len(block.t) == 0:
            return block
        state, most = self._state, self._parameters
        last = state.last.t if state.last else None
        minutes = state.minutes + count_begun(last, block.t, MINUTE_US)
        seconds = state.seconds + count_begun(last, block.t, SECOND_US)
        room = min(
            most.max_samples - state.samples,
            int(np.searchsorted(minutes, most.max_minutes, side="right")),
            int(np.searchsorted(seconds, most.max_seconds, side="right")),
        )
        if room < len(block.t):
            state.capped = True
        if room > 0:
            state.minutes, state.seconds = int(minutes[:room][-1]), int(seconds[:room][-1])
        return block.part(None, room)

    def _with_last(self, block: Samples) -> Samples:
        """The block behind the last sample folded, from which its first interval goes."""
        last = self._state.last
        if last is None:
            return block
        code = self.pages.code_of_name(last.page)
        columns = np.array([last.t]), np.array([last.x]), np.array([last.y]), np.array([code])
        return block.after(Samples(*columns))

    def _intervals(self, samples: Samples, uncut: Bools) -> Intervals:
        fresh = uncut & ~self._uncut_before(uncut)
        i = np.flatnonzero(uncut)
        dt = np.diff(samples.t)[i]
        dx, dy = np.diff(samples.x)[i], np.diff(samples.y)[i]
        d = np.sqrt(dx * dx + dy * dy)
        stroke = np.cumsum(fresh)[i]
        still_open = uncut[-1] if len(uncut) else self._state.start is not None
        current = int(np.count_nonzero(fresh)) if still_open else CLOSED
        return Intervals(i, dt, dx, dy, d, d * 1e6 / dt, stroke, current)

    def _uncut_before(self, uncut: Bools) -> Bools:
        return np.append(self._state.start is not None, uncut)[:-1]

    def _add_strokes(self, samples: Samples, uncut: Bools) -> None:
        """Count those that begin, add the chords ‖end − start‖ of those that end."""
        before = self._uncut_before(uncut)
        begins, ends = np.flatnonzero(uncut & ~before), np.flatnonzero(~uncut & before)
        x, y = samples.x[begins], samples.y[begins]
        if self._state.start is not None:
            x = np.append(self._state.start[0], x)
            y = np.append(self._state.start[1], y)
        closed = len(ends)
        dx, dy = samples.x[ends] - x[:closed], samples.y[ends] - y[:closed]
        self._state.chords_px = running_sum(self._state.chords_px, np.sqrt(dx * dx + dy * dy))
        self._state.strokes += len(begins)
        self._state.start = (float(x[-1]), float(y[-1])) if len(x) > closed else None

    def _add_sums(self, intervals: Intervals) -> None:
        state = self._state
        state.distance_px = running_sum(state.distance_px, intervals.d)
        state.observed_us += int(intervals.dt.sum())
        state.moving_us += int(intervals.dt[intervals.d > 0].sum())
        state.peak = max(state.peak, float(intervals.speed.max(initial=0.0)))
        self._steps.add(intervals.dt.astype(np.float64))

    def _add_accelerations(self, intervals: Intervals) -> None:
        speed, dt, stroke = intervals.speed, intervals.dt, intervals.stroke
        if self._state.pace is not None:
            speed = np.append(self._state.pace[0], speed)
            dt = np.append(self._state.pace[1], dt)
            stroke = np.append(0, stroke)
        together = stroke[1:] == stroke[:-1]
        both_us = (dt[1:] + dt[:-1])[together]
        change = np.abs(np.diff(speed))[together]
        self._accelerations.add(change * 2e6 / both_us, both_us)
        if len(dt):
            self._state.pace = float(speed[-1]), int(dt[-1])

    def _add_turning(self, intervals: Intervals) -> None:
        moved, stroke = intervals.d > 0, intervals.stroke
        dx, dy, stroke = intervals.dx[moved], intervals.dy[moved], stroke[moved]
        if self._state.heading is not None:
            dx = np.append(self._state.heading[0], dx)
            dy = np.append(self._state.heading[1], dy)
            stroke = np.append(0, stroke)
        together = stroke[1:] == stroke[:-1]
        ax, ay, bx, by = (v[together] for v in (dx[:-1], dy[:-1], dx[1:], dy[1:]))
        turned = angle_between(ax, ay, bx, by)
        self._state.turning_rad = running_sum(self._state.turning_rad, turned)
        is_open = len(stroke) > 0 and stroke[-1] == intervals.current
        self._state.heading = (float(dx[-1]), float(dy[-1])) if is_open else None

    def _add_flips(self, samples: Samples, intervals: Intervals) -> None:
        px, state = self._parameters.flip_px, self._state
        state.axis_x = count_flips(state.axis_x, samples.x, intervals, px)
        state.axis_y = count_flips(state.axis_y, samples.y, intervals, px)

    def _add_times(self, block: Samples, intervals: Intervals, old: int) -> None:
        ends = intervals.i + 1 - old
        _, dt, _, _, d, speed, _, _ = intervals
        touched = tally(self._state.second, block.t, ends, dt, d, speed)
        self._seconds.update((second.at, second) for second in touched)
        self._state.second = touched[-1]
        self._minutes.add(block.t, ends, dt, d, speed)

    def _remember(self, block: Samples, samples: Samples) -> None:
        state = self._state
        page = self.pages.name(int(known_pages(samples.page)[-1]))
        t, x, y = int(block.t[-1]), float(block.x[-1]), float(block.y[-1])
        state.samples += len(block.t)
        state.first_us = int(block.t[0]) if state.first_us is None else state.first_us
        state.last = Sample(t, x, y, page)


def count_begun(last: int | None, times: Ints, us: int) -> Ints:
    """For each of the ascending times, how many periods of `us` have times since `last` (µs).

    The one that `last` is in does not count.
    """
    at = times // us
    before = at[0] - 1 if last is None else last // us
    return np.cumsum(np.diff(at, prepend=before) > 0)


def known_pages(page: Ints) -> Ints:
    """Each sample's page, or where it names none, the one known before it."""
    known = page != UNKNOWN_PAGE
    latest = np.maximum.accumulate(np.where(known, np.arange(len(page)), 0))
    return page[latest]


def page_changes(page: Ints) -> Bools:
    """For each interval, whether the known page at its end is another than before."""
    page = known_pages(page)
    changed: Bools = (page[1:] != page[:-1]) & (page[:-1] != UNKNOWN_PAGE)
    return changed


def path_cuts(samples: Samples, gap_ms: int) -> tuple[Bools, Bools]:
    """For each interval, whether it is too long; and whether the path is cut there."""
    long = np.diff(samples.t) > gap_ms * 1000
    return long, long | page_changes(samples.page)


def running_sum(total: float, values: Floats) -> float:
    """total + values, added one after the other: `sum` in pairs would see the split."""
    return float(np.cumsum(np.append(total, values))[-1])


def count_flips(axis: Axis, place: Floats, intervals: Intervals, flip_px: int) -> Axis:
    """Go on counting changes of direction; `place` is x or y of the block's samples.

    After mousetrap's x_flips with a flip_threshold: steps of one sign that follow each
    other are taken together, and those of less than flip_px in all are left out.
    """
    start, end = place[intervals.i], place[intervals.i + 1]
    moved = start != end
    # The run still going on from before stands first, of sign 0 if there is none.
    start = np.append(axis.origin, start[moved])
    end = np.append(place[0], end[moved])
    sign = np.append(axis.sign, np.sign(end - start)[1:])
    stroke = np.append(0, intervals.stroke[moved])
    another = (sign[1:] != sign[:-1]) | (stroke[1:] != stroke[:-1])
    first = np.flatnonzero(np.append(True, another))
    last = np.append(first[1:], len(sign)) - 1
    far = (np.abs(end[last] - start[first]) >= flip_px) & (sign[first] != 0)
    goes_on = stroke[-1] == intervals.current and sign[-1] != 0
    settled = np.append(axis.settled, sign[first][far])
    settled_in = np.append(0, stroke[first][far])
    flips = (settled[1:] * settled[:-1] < 0) & (settled_in[1:] == settled_in[:-1])
    return Axis(
        axis.flips + int(np.count_nonzero(flips)),
        float(settled[-1]) if settled_in[-1] == intervals.current else 0.0,
        float(sign[-1]) if goes_on else 0.0,
        float(start[first[-1]]) if goes_on else 0.0,
    )
