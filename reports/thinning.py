"""A pointer's line with fewer points, which shows the pointer in the same place at any moment.

Top-down time-ratio (TD-TR): Douglas & Peucker (1973) with the synchronised Euclidean distance of
Meratnia & de By (2004, doi 10.1007/978-3-540-24741-8_44). What is left keeps the speed too: a point
is near only where the pointer was near at the same time. All segments of a round are split at once.
"""

from itertools import count
from typing import NamedTuple

import numpy as np

from reports.pointer import known_pages, path_cuts
from reports.samples import Samples
from reports.sketch import Bools, Floats, Ints

# What no screen shows, and how many points are held until some of them have to go.
FINEST_PX = 0.5
HELD = 1 << 17
# No segment of a block is longer, in samples: the first rounds would split almost all longer ones.
SPAN = 128
# After so many rounds segments are split in the middle, so that no line takes a round a point.
ROUNDS = 24


class Line(NamedTuple):
    """Arrays of one length: time (µs since 1970), x, y (px), which stroke; in the order of time."""

    t: Ints
    x: Floats
    y: Floats
    stroke: Ints

    def at(self, which: Ints | Bools) -> "Line":
        return Line._make(column[which] for column in self)

    def ends(self) -> Bools:
        """Which points are the first or the last of their stroke."""
        changes = self.stroke[1:] != self.stroke[:-1]
        here = np.ones(min(len(self.t), 1), bool)
        ends: Bools = np.append(here, changes) | np.append(changes, here)
        return ends


NO_LINE = Line(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))


def join(parts: list[Line]) -> Line:
    return Line._make(np.concatenate(columns) for columns in zip(NO_LINE, *parts, strict=True))


def ranks(line: Line, pinned: Bools, finest: float = 0.0) -> Floats:
    """The order in which points make the line better: inf for pinned ones, which must hold all ends.

    A point's rank is how far (px) the segment that it splits is off at most, made smaller than the
    rank of the point by whose split the segment came to be. 0 where no split was needed: those
    segments are off by no more than `finest`.
    """
    rank = np.where(pinned, np.inf, 0.0)
    nodes = np.flatnonzero(pinned)
    start, end, bound = nodes[:-1], nodes[1:], np.full(max(len(nodes) - 1, 0), np.inf)
    for done in count():
        wide = end - start > 1
        if not wide.any():
            break
        start, end, bound = start[wide], end[wide], bound[wide]
        split, off = _farthest(line, start, end)
        if done >= ROUNDS:
            split = (start + end) // 2
        apart = off > finest
        start, split, end = start[apart], split[apart], end[apart]
        bound = np.minimum(off[apart], np.nextafter(bound[apart], 0))
        rank[split] = bound
        start, end = np.stack((start, split), 1).ravel(), np.stack((split, end), 1).ravel()
        bound = np.repeat(bound, 2)
    return rank


def _farthest(line: Line, start: Ints, end: Ints) -> tuple[Ints, Floats]:
    """Of each segment the point inside that is farthest from where it would be at even speed from
    start to end, and how far (px). Each segment has one."""
    sizes = end - start - 1
    first = np.cumsum(sizes) - sizes
    i = np.arange(sizes.sum()) + np.repeat(start + 1 - first, sizes)
    t, x, y = line.t[start], line.x[start], line.y[start]
    span = line.t[end] - t
    passed = line.t[i] - np.repeat(t, sizes)
    dx = line.x[i] - np.repeat(x, sizes) - np.repeat((line.x[end] - x) / span, sizes) * passed
    dy = line.y[i] - np.repeat(y, sizes) - np.repeat((line.y[end] - y) / span, sizes) * passed
    squares = dx * dx + dy * dy
    most = np.maximum.reduceat(squares, first)
    farthest = np.flatnonzero(squares == np.repeat(most, sizes))
    # The first of those that are equally far.
    return i[farthest[np.searchsorted(farthest, first)]], np.sqrt(most)


def best(line: Line, rank: Floats, most: int) -> Bools:
    """Which at most so many points to keep: both ends of the strokes, then those of highest rank.

    Where the ends alone are more, the shortest strokes go as a whole. The last one may not be at its
    end, and stays.
    """
    ends = line.ends()
    kept = ends & _longest(line, ends, most) if np.count_nonzero(ends) > most else ends
    room = most - int(np.count_nonzero(kept))
    others = np.flatnonzero((rank > 0) & ~ends & np.isin(line.stroke, line.stroke[kept]))
    kept[others[np.argsort(-rank[others], kind="stable")[:room]]] = True
    return kept


def _longest(line: Line, ends: Bools, most: int) -> Bools:
    strokes, first, stroke = np.unique(line.stroke, return_index=True, return_inverse=True)
    steps = np.hypot(np.diff(line.x, prepend=line.x[0]), np.diff(line.y, prepend=line.y[0]))
    steps[first] = 0
    length = np.bincount(stroke, steps)
    length[-1] = np.inf
    order = np.argsort(-length, kind="stable")
    sizes = np.bincount(stroke, ends)
    fits = np.zeros(len(strokes), bool)
    fits[order[np.cumsum(sizes[order]) <= most]] = True
    return fits[stroke]


def error(line: Line, kept: Bools) -> float:
    """How far (px) the line that is kept is from any point left out of its strokes, at most."""
    nodes = np.flatnonzero(kept)
    start, end = nodes[:-1], nodes[1:]
    inner = (end - start > 1) & (line.stroke[start] == line.stroke[end])
    if not inner.any():
        return 0.0
    _, off = _farthest(line, start[inner], end[inner])
    return float(off.max())


class Thinner:
    """Takes in samples block by block, and holds no more than `HELD` points and a block.

    samples and strokes: how many came in. tolerance_px: how far the line is off at any moment, at
    most: FINEST_PX, or what a block was thinned to, and what each later thinning added.
    """

    def __init__(self, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self._parts: list[Line] = []
        self._held = 0
        self._last: Samples | None = None
        self._finest = FINEST_PX
        self._added = 0.0
        self.samples = self.strokes = 0

    @property
    def tolerance_px(self) -> float:
        return self._finest + self._added

    def add(self, block: Samples) -> None:
        """Samples of strictly increasing times that all lie after those before."""
        if len(block.t) == 0:
            return
        old = 0 if self._last is None else 1
        samples = block if self._last is None else block.after(self._last)
        _, cut = path_cuts(samples, self._gap_ms)
        stroke = self.strokes - 1 + np.append(1 - old, cut).cumsum()
        line = Line(samples.t, samples.x, samples.y, stroke)
        pinned = line.ends()
        pinned[::SPAN] = True
        part = line.at(ranks(line, pinned, self._finest) > 0)
        self._parts.append(part.at(part.t > samples.t[0]) if old else part)
        self.samples += len(block.t)
        self.strokes = int(stroke[-1]) + 1
        self._last = samples.part(-1, None)._replace(page=known_pages(samples.page)[-1:])
        self._held += len(self._parts[-1].t)
        if self._held > HELD:
            self._make_room()

    def _make_room(self) -> None:
        line, _ = self.thinned(HELD // 2)
        self._parts, self._held = [line], len(line.t)
        self._finest = max(self._finest, self._added)

    def thinned(self, most: int) -> tuple[Line, Floats]:
        """At most so many points of all that came in, with their ranks; adds to the tolerance."""
        line = join(self._parts)
        rank = ranks(line, line.ends())
        kept = best(line, rank, most)
        self._added += error(line, kept)
        return line.at(kept), rank[kept]
