"""A session minute by minute: what it adds to the rollups."""

from datetime import datetime
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np

from reports.moments import moment
from reports.seconds import runs
from reports.sketch import Floats, Ints, Sketch, merged, packed_by_row, total

MINUTE_US = 60_000_000
GRAINS = 1 << 20


class Minute(NamedTuple):
    """What one run of the fold found in one minute (UTC) of a session.

    events: how many, by application, by their own timestamps. An interval belongs to the
    minute in which it ends, a sample to the one it is in. distance_px: Σ d, each d rounded
    to 2⁻²⁰ px, so that sums below 2³³ px are exact in whatever order they are added, and
    what is taken back leaves nothing. moving_us: Σ Δt where d > 0, µs. speeds: packed
    sketch of d/Δt in px/s where d > 0, weighted by Δt in µs.
    """

    events: dict[int, int] = {}
    distance_px: float = 0.0
    moving_us: int = 0
    samples: int = 0
    speeds: bytes = b""

    def plus(self, more: "Minute") -> "Minute":
        applications = {**self.events, **more.events}
        return Minute(
            {id: self.events.get(id, 0) + more.events.get(id, 0) for id in applications},
            self.distance_px + more.distance_px,
            self.moving_us + more.moving_us,
            self.samples + more.samples,
            merged(self.speeds + more.speeds),
        )


class _Movement(msgspec.Struct):
    distance_px: float = 0.0
    samples: int = 0
    speeds: list[bytes] = []


class Minutes:
    """What one run of the fold finds, from its own beginning: nothing of it is in the state."""

    def __init__(self) -> None:
        self._events: dict[tuple[int, int], int] = {}
        self._movement: dict[int, _Movement] = {}

    def count(self, t: int, application_id: int) -> None:
        """An event at `t` (µs since 1970)."""
        key = t // MINUTE_US, application_id
        self._events[key] = self._events.get(key, 0) + 1

    def add(self, times: Ints, ends: Ints, dt: Ints, d: Floats, speed: Floats) -> None:
        """Samples at `times` (µs, ascending, at least one), intervals ending at times[ends]."""
        at = times // MINUTE_US
        begins, row_of = runs(at)
        rows, where, moved = len(begins), row_of[ends], d > 0
        distance = np.bincount(where, np.rint(d * GRAINS) / GRAINS, rows)
        columns = (at[begins], distance, np.diff(begins, append=len(at)))
        speeds = packed_by_row(where[moved], speed[moved], dt[moved], rows)
        for row in zip(*(c.tolist() for c in columns), speeds, strict=True):
            self._add(*row)

    def _add(self, at: int, distance: float, samples: int, speeds: bytes) -> None:
        movement = self._movement.setdefault(at, _Movement())
        movement.distance_px += distance
        movement.samples += samples
        movement.speeds.append(speeds)

    def speeds(self) -> Sketch:
        """Of all minutes together."""
        return Sketch.unpacked(b"".join(chain(*(one.speeds for one in self._movement.values()))))

    def found(self) -> dict[datetime, Minute]:
        """Ascending."""
        events: dict[int, dict[int, int]] = {}
        for (at, application_id), count in self._events.items():
            events.setdefault(at, {})[application_id] = count
        return {
            moment(at * MINUTE_US): self._minute(at, events.get(at, {}))
            for at in sorted(events.keys() | self._movement.keys())
        }

    def _minute(self, at: int, events: dict[int, int]) -> Minute:
        movement = self._movement.get(at, _Movement())
        speeds = b"".join(movement.speeds)
        if len(movement.speeds) > 1:
            speeds = merged(speeds)
        return Minute(events, movement.distance_px, total(speeds), movement.samples, speeds)
