"""A session's pointer, second by second."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np

from reports.sketch import Floats, Ints

SECOND_US = 1_000_000


class PointerSecond(NamedTuple):
    """What the pointer did in one second (UTC) of a session.

    An interval belongs to the second in which it ends, a sample to the one it is in.
    distance_px: Σ d; moving_ms: Σ Δt over intervals with d > 0; peak_speed: the largest
    d/Δt in px/s, None if nothing moved; samples: how many after merging.
    """

    second: datetime
    distance_px: float
    moving_ms: float
    peak_speed: float | None
    samples: int


class Second(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The same as plain numbers, to be added to: `at` in seconds since 1970."""

    at: int
    distance_px: float
    moving_us: int
    peak: float
    samples: int

    def row(self) -> PointerSecond:
        return PointerSecond(
            datetime.fromtimestamp(self.at, UTC),
            self.distance_px,
            self.moving_us / 1000,
            self.peak or None,
            self.samples,
        )


def runs(at: Ints) -> tuple[Ints, Ints]:
    """Where each run of equal values begins, and for each value its run's number."""
    begins = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
    return begins, np.repeat(np.arange(len(begins)), np.diff(begins, append=len(at)))


def tally(
    last: Second | None, times: Ints, ends: Ints, dt: Ints, d: Floats, speed: Floats
) -> list[Second]:
    """Continue `last` with samples at `times` and the intervals ending at times[ends].

    `times` in µs, ascending, at least one; `ends` the index of each interval's end.
    Gives every second touched, the first one whole, so that rows can replace rows.
    """
    at = times // SECOND_US
    begins, row_of = runs(at)
    rows, where = len(begins), row_of[ends]
    if last is None or last.at != at[0]:
        last = Second(int(at[0]), 0.0, 0, 0.0, 0)
    # bincount adds in the order given, so a sum continued is the sum done at once.
    distance = np.bincount(np.append(0, where), np.append(last.distance_px, d), rows)
    moving = np.bincount(where, np.where(d > 0, dt, 0), rows).astype(np.int64)
    samples = np.bincount(row_of)
    peak = np.zeros(rows)
    np.maximum.at(peak, where, speed)
    moving[0] += last.moving_us
    samples[0] += last.samples
    peak[0] = max(peak[0], last.peak)
    columns = (at[begins], distance, moving, peak, samples)
    return [Second(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
