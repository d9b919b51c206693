"""Where on the pages the pointer was: what a session adds to the heatmaps.

A bin is a square: a 64th of the page's width, which is a finger's width on a phone and 20 px on a
desktop, and as much of its height. So pages that fit their width to the window compare, and
coordinates are relative to the page's width. 1,024 rows are a page 16 times as high as it is wide.
"""

from array import array
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from reports.moments import moment
from reports.sketch import PAIR, Floats, Ints

COLUMNS, MOST_ROWS = 64, 1_024
MOST_PAGES = 200
MOST_TEXT = 500
MOST_PX = 1e6
HOUR_US = 3_600_000_000
MOVE, CLICK = "move", "click"
# How much waits until it is summed.
RUNS_HELD, CLICKS_HELD = 1 << 16, 1 << 12
# A run of samples in one bin as one number, to be sorted: its key, the bin, and how many they are.
_BIN_BITS, _COUNT_BITS = 16, 26
_MOST_KEYS = 1 << 63 - _BIN_BITS - _COUNT_BITS

# Which key an event's samples count for, or that of NOWHERE; its page's width and scroll, px.
type Frame = tuple[float, float, float, float]
NOWHERE: Frame = (-1.0, 1.0, 0.0, 0.0)


class HeatKey(NamedTuple):
    """An hour (UTC) of an application's page, whose path is cut at MOST_TEXT characters."""

    application_id: int
    page: str
    hour: datetime
    kind: str


class Page(msgspec.Struct, gc=False):
    """What an event says of its page: width and scroll in px."""

    path: str | None = None
    w: float = 0.0
    scroll_x: float = 0.0
    scroll_y: float = 0.0


class _Click(msgspec.Struct, gc=False):
    x: float
    y: float
    page: Page | None = None


_click = msgspec.json.Decoder(_Click)


class HeatState(msgspec.Struct):
    """What going on needs.

    samples: how many came in, before merging; after Parameters.max_samples nothing is counted.
    pages: hashes of those that are counted, the first MOST_PAGES. latest: the page of the last
    path by the id of its application, for the clicks after it.
    """

    samples: int = 0
    pages: list[str] = []
    latest: dict[str, Page] = {}


class Heat:
    """What one run of the fold finds, bin by bin; the state given is left as it is."""

    def __init__(self, state: HeatState, max_samples: int) -> None:
        self.is_open = True  # or nothing more is counted
        self._samples = state.samples
        self._max_samples = max_samples
        self._pages = dict.fromkeys(state.pages)
        self._latest = {int(id): page for id, page in state.latest.items()}
        self._codes: dict[tuple[int, int, str, str], float] = {}
        self._keys: dict[HeatKey, int] = {}
        self._clicks = array("d")
        self._runs: list[Ints] = []
        self._held = 0
        self._found: dict[HeatKey, list[bytes]] = {}

    def state(self) -> HeatState:
        latest = {str(id): _as_kept(page) for id, page in self._latest.items()}
        return HeatState(self._samples, [*self._pages], latest)

    def frame(self, t: int, application_id: int, page: Page | None, samples: int) -> Frame:
        """Of an event at `t` (µs since 1970) with so many samples, given in the order of events."""
        if not self.is_open or self._samples >= self._max_samples:
            return NOWHERE
        self._samples += samples
        if page is None or page.path is None:
            return NOWHERE
        self._latest[application_id] = page
        return self._frame(t, application_id, page, MOVE)

    def click(self, t: int, application_id: int, data: str) -> None:
        """Counted on the page that it names, or that of the last path before it."""
        if not self.is_open or self._samples >= self._max_samples:
            return
        try:
            click = _click.decode(data)
        except ValueError:
            return
        page = click.page or self._latest.get(application_id)
        if page is None or page.path is None:
            return
        self._clicks.extend((click.x, click.y, *self._frame(t, application_id, page, CLICK)))
        if len(self._clicks) >= 6 * CLICKS_HELD:
            self._add_clicks()

    def _frame(self, t: int, application_id: int, page: Page, kind: str) -> Frame:
        key = t // HOUR_US, application_id, page.path or "", kind
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = self._new_code(*key)
        return code, page.w, page.scroll_x, page.scroll_y

    def _new_code(self, hour: int, application_id: int, path: str, kind: str) -> float:
        path = path[:MOST_TEXT]
        name = blake2b(path.encode(), digest_size=8).hexdigest()
        is_known = name in self._pages or len(self._pages) < MOST_PAGES
        if not is_known or len(self._keys) == _MOST_KEYS:
            return NOWHERE[0]
        self._pages[name] = None
        key = HeatKey(application_id, path, moment(hour * HOUR_US), kind)
        return float(self._keys.setdefault(key, len(self._keys)))

    def add(self, x: Floats, y: Floats, frames: Floats, lengths: Ints) -> None:
        """Samples at x and y, px, of events with these frames and so many samples each."""
        code, width, left, top = frames.T
        usable = (code >= 0) & (width >= 1) & (width <= MOST_PX)
        usable &= (np.abs(left) <= MOST_PX) & (np.abs(top) <= MOST_PX)
        if not usable.any():
            return
        frames = np.stack((np.where(usable, code, -1), np.where(usable, width, 1), left, top))
        code, width, left, top = np.repeat(frames, lengths, axis=1)
        column, row = x + left, y + top
        for place in (column, row):
            place *= COLUMNS
            place /= width
        inside = (code >= 0) & (column >= 0) & (column < COLUMNS) & (row >= 0) & (row < MOST_ROWS)
        if not inside.all():
            code, column, row = code[inside], column[inside], row[inside]
        self._add(code.astype(np.int64), row.astype(np.int64) * COLUMNS + column.astype(np.int64))

    def _add(self, code: Ints, bins: Ints) -> None:
        places = (code << _BIN_BITS) + bins
        first = _firsts(places)
        self._runs.append((places[first] << _COUNT_BITS) + np.diff(first, append=len(places)))
        self._held += len(first)
        if self._held >= RUNS_HELD:
            self._sum()

    def _add_clicks(self) -> None:
        clicks = np.frombuffer(self._clicks).reshape(-1, 6)
        self._clicks = array("d")
        self.add(clicks[:, 0], clicks[:, 1], clicks[:, 2:], np.ones(len(clicks), np.int64))

    def _sum(self) -> None:
        runs = np.sort(np.concatenate(self._runs))
        self._runs, self._held = [], 0
        places = runs >> _COUNT_BITS
        first = _firsts(places)
        counts = np.add.reduceat(runs & (1 << _COUNT_BITS) - 1, first)
        places = places[first]
        bins = _packed(places & (1 << _BIN_BITS) - 1, counts)
        codes = places >> _BIN_BITS
        begins = _firsts(codes)
        keys = [*self._keys]
        for code, part in zip(codes[begins].tolist(), np.split(bins, begins[1:]), strict=True):
            self._found.setdefault(keys[code], []).append(part.tobytes())

    def found(self) -> dict[HeatKey, bytes]:
        """Packed bins, ascending."""
        if self._clicks:
            self._add_clicks()
        if self._held:
            self._sum()
        return {
            key: parts[0] if len(parts) == 1 else merged(b"".join(parts))
            for key, parts in sorted(self._found.items())
        }


def _as_kept(page: Page) -> Page:
    # Adding zero turns −0.0 into 0.0, which jsonb would do to a stored state.
    path = page.path[:MOST_TEXT] if page.path else page.path
    return Page(path, page.w + 0.0, page.scroll_x + 0.0, page.scroll_y + 0.0)


def merged(added: bytes, taken: bytes = b"") -> bytes:
    """The sum of the packed bins in `added`, less those in `taken`; bins of nothing are left out."""
    plus, minus = np.frombuffer(added, PAIR), np.frombuffer(taken, PAIR)
    bins = np.concatenate((plus["bucket"], minus["bucket"]))
    order = np.argsort(bins, kind="stable")
    counts = np.concatenate((plus["weight"], -minus["weight"]))[order]
    bins = bins[order]
    first = _firsts(bins)
    sums = np.add.reduceat(counts, first) if len(first) else counts
    filled = sums != 0
    return _packed(bins[first][filled], sums[filled]).tobytes()


def _firsts(values: npt.NDArray[Any]) -> Ints:
    """Where runs of equal values begin."""
    begins = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _packed(bins: npt.NDArray[Any], counts: Ints) -> npt.NDArray[np.void]:
    """As sketches are: behind each other they are their sum. A bin is 64 · row + column."""
    pairs = np.empty(len(bins), PAIR)
    pairs["bucket"], pairs["weight"] = bins, counts
    return pairs
