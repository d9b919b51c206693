"""From the JSON of pointer events to one list of samples in the order of time."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from reports.heat import Heat, Page
from reports.sketch import Bools, Floats, Ints

BLOCK = 1 << 14
"""Samples decoded at a time: numpy's overhead is small, the work stays in the cache."""

# The C library keeps for reuse no more than twice the largest piece ever freed. Once it
# has seen this one, a block's arrays are no longer faulted in anew for every block.
np.empty(64 * BLOCK)

UNKNOWN_PAGE = -1
_LONGEST_MS = 1e12
_FARTHEST_PX = 1e6


class PointerMove(msgspec.Struct, gc=False):
    x: float
    y: float


class PointerPath(msgspec.Struct, gc=False):
    t: list[float]
    x: list[float]
    y: list[float]
    page: Page | None = None


class _PagePath(msgspec.Struct, gc=False):
    path: str | None = None


class _BarePath(PointerPath, gc=False):
    """Of a page of odd sizes, the path alone."""

    page: _PagePath | None = None  # type: ignore[assignment]


_move = msgspec.json.Decoder(PointerMove)
_path = msgspec.json.Decoder(PointerPath)
_bare_path = msgspec.json.Decoder(_BarePath)


def decoded_path(data: str) -> PointerPath:
    """Raises ValueError where it is none."""
    try:
        return _path.decode(data)
    except ValueError:
        bare = _bare_path.decode(data)
        page = Page(bare.page.path) if bare.page else None
        return PointerPath(bare.t, bare.x, bare.y, page)


class Samples(NamedTuple):
    """Arrays of one length: time (µs since 1970), x, y (px), page (a code of Pages)."""

    t: Ints
    x: Floats
    y: Floats
    page: Ints

    def part(self, start: int | None, stop: int | None) -> "Samples":
        cut = slice(start, stop)
        return Samples(self.t[cut], self.x[cut], self.y[cut], self.page[cut])

    def parts(self, block: int) -> Iterator["Samples"]:
        """Of about equal lengths, and of `block` samples on the average: a small rest costs as much."""
        number = max(1, round(len(self.t) / block))
        for n in range(number):
            yield self.part(n * len(self.t) // number, (n + 1) * len(self.t) // number)

    def at(self, which: Ints | Bools) -> "Samples":
        return Samples(self.t[which], self.x[which], self.y[which], self.page[which])

    def after(self, earlier: "Samples") -> "Samples":
        return Samples(
            np.concatenate((earlier.t, self.t)),
            np.concatenate((earlier.x, self.x)),
            np.concatenate((earlier.y, self.y)),
            np.concatenate((earlier.page, self.page)),
        )


NO_SAMPLES = Samples(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))


class Pages:
    """Gives each page path a code; names it by a hash, which bounds the state's size."""

    def __init__(self, first: str | None) -> None:
        self.names: list[str] = []
        self._code_of_name: dict[str, int] = {}
        self._code_of_path: dict[str | None, int] = {None: UNKNOWN_PAGE}
        if first is not None:
            self.code_of_name(first)

    def code(self, path: str | None) -> int:
        code = self._code_of_path.get(path)
        if code is None:
            name = blake2b(str(path).encode(), digest_size=8).hexdigest()
            code = self._code_of_path[path] = self.code_of_name(name)
        return code

    def code_of_name(self, name: str | None) -> int:
        if name is None:
            return UNKNOWN_PAGE
        if name not in self._code_of_name:
            self._code_of_name[name] = len(self.names)
            self.names.append(name)
        return self._code_of_name[name]

    def name(self, code: int) -> str | None:
        return None if code == UNKNOWN_PAGE else self.names[code]


class SampleBuffer:
    """Collects the samples of events that come in order, and gives them out merged.

    An event's samples are never before its timestamp, so those before the timestamp of
    the next event are final. Only the overlap is held back, however long the session.
    """

    def __init__(self, pages: Pages, block: int, heat: Heat | None = None) -> None:
        self._pages = pages
        self._heat = heat
        self._block = block
        self._held = NO_SAMPLES
        self._clear()

    def _clear(self) -> None:
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._codes: list[int] = []
        self._t, self._x, self._y = array("d"), array("d"), array("d")
        self._frames = array("d")

    def full(self) -> bool:
        # What is held back is sorted again each time, so let as much come in between.
        return len(self._t) >= max(self._block, len(self._held.t))

    def add(self, start: int, name: str, data: str, application_id: int = 0) -> None:
        """Take in a `move` or a `path`; ignore one whose data is not of its shape."""
        try:
            if name == "path":
                self._add_path(start, application_id, decoded_path(data))
            elif name == "move":
                move = _move.decode(data)
                self._append(start, application_id, [0.0], [move.x], [move.y], None)
        except ValueError:
            return

    def _add_path(self, start: int, application_id: int, path: PointerPath) -> None:
        if len(path.t) == len(path.x) == len(path.y):
            self._append(start, application_id, path.t, path.x, path.y, path.page)

    def _append(
        self,
        start: int,
        application_id: int,
        t: list[float],
        x: list[float],
        y: list[float],
        page: Page | None,
    ) -> None:
        self._starts.append(start)
        self._lengths.append(len(t))
        self._codes.append(self._pages.code(page.path if page else None))
        if self._heat:
            self._frames.extend(self._heat.frame(start, application_id, page, len(t)))
        # While the floats are in the cache: this is twice as fast as a block at a time.
        self._t.fromlist(t)
        self._x.fromlist(x)
        self._y.fromlist(y)

    def take(self, before: int | None) -> Samples:
        """The merged samples before a time (all if None): times strictly increasing."""
        merged = merge(self._decoded().after(self._held))
        self._clear()
        final = None if before is None else int(np.searchsorted(merged.t, before))
        self._held = NO_SAMPLES if final is None else merged.part(final, None)
        return merged.part(None, final)

    def _decoded(self) -> Samples:
        lengths = np.array(self._lengths, np.int64)
        t, x, y = (np.frombuffer(column) for column in (self._t, self._x, self._y))
        # Adding zero turns −0.0 into 0.0, which jsonb would do to a stored state.
        x, y = x + 0.0, y + 0.0
        if self._heat:
            self._heat.add(x, y, np.frombuffer(self._frames).reshape(-1, 4), lengths)
        usable = (t >= 0) & (t <= _LONGEST_MS)
        usable &= (np.abs(x) <= _FARTHEST_PX) & (np.abs(y) <= _FARTHEST_PX)
        t = np.where(usable, t, 0.0)
        times = np.rint(t * 1000).astype(np.int64)
        times += np.repeat(np.array(self._starts, np.int64), lengths)
        pages = np.repeat(np.array(self._codes, np.int64), lengths)
        samples = Samples(times, x, y, pages)
        return samples if usable.all() else samples.at(usable)


def merge(samples: Samples) -> Samples:
    """Sort by time, stably; of equal times keep the last."""
    if len(samples.t) < 2:
        return samples
    steps = np.diff(samples.t)
    if steps.min() < 0:
        samples = samples.at(np.argsort(samples.t, kind="stable"))
        steps = np.diff(samples.t)
    if steps.min() > 0:
        return samples
    return samples.at(np.append(steps > 0, True))
