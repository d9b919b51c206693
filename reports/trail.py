"""A session's trail: where the pointer was at each moment, as far as a screen can show it.

Samples are merged and cut as in the report, so that a gap in the trail is a gap in the report.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from reports.activity import Click
from reports.fold import FoldEvent
from reports.moments import microseconds
from reports.parameters import PARAMETERS
from reports.samples import BLOCK, Pages, SampleBuffer
from reports.thinning import Line, Thinner, best, error

VERSION = f"1:{PARAMETERS.fingerprint()}"
MOST_POINTS = 20_000
# Clicks, and views: of a session with more, the first ones.
MOST_MARKS = 5_000
TEXT = 300
MOST_PX = 1_000_000


class TrailClick(msgspec.Struct):
    """t in µs since 1970, x and y in px; rage: whether it is part of a rage burst."""

    t: int
    x: float
    y: float
    button: int | None
    target: str | None
    rage: bool = False


class View(msgspec.Struct):
    """What the pointer moved on, from t (µs since 1970) on: page, viewport and scroll in px."""

    t: int
    page: str | None
    w: float | None
    h: float | None
    scroll_x: float | None
    scroll_y: float | None


class Trail(msgspec.Struct):
    """What is kept. line: the columns of a `Line` and the ranks of its points, as bytes.

    samples, strokes, all_clicks, all_views: how many there were. start, end: µs since 1970.
    tolerance_px: how far the line is off at any moment, at most.
    """

    start: int | None
    end: int | None
    samples: int
    strokes: int
    all_clicks: int
    all_views: int
    tolerance_px: float
    line: tuple[bytes, bytes, bytes, bytes, bytes]
    clicks: list[TrailClick]
    views: list[View]

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Trail":
        return msgspec.msgpack.decode(content, type=cls)

    def thinned(self, most: int) -> tuple[Line, float]:
        """At most so many points of the line, and how far it then is off at any moment (px)."""
        t, x, y, stroke, rank = self.line
        times, strokes = np.frombuffer(t, np.int64), np.frombuffer(stroke, np.int64)
        line = Line(times, np.frombuffer(x), np.frombuffer(y), strokes)
        kept = best(line, np.frombuffer(rank), most)
        return line.at(kept), self.tolerance_px + error(line, kept)


def compute(events: Iterable[FoldEvent]) -> Trail:
    """The trail of pointer events that come sorted by (timestamp, id), in one pass.

    Holds `thinning.HELD` points and a block of samples, however many there are.
    """
    tracing = _Tracing()
    for event in events:
        tracing.add(microseconds(event.timestamp), event.name, event.data)
    return tracing.trail()


class _Tracing:
    def __init__(self) -> None:
        self._buffer = SampleBuffer(Pages(None), BLOCK)
        self._thinner = Thinner(PARAMETERS.gap_ms)
        self._clicks = Clicks()
        self._views = Views()
        self._first: int | None = None
        self._last: int | None = None

    def add(self, t: int, name: str, data: str) -> None:
        if name == "click":
            self._clicks.add(t, data)
            return
        if name == "path":
            self._views.add(t, data)
        if self._room == 0:
            return
        if self._buffer.full():
            self._advance(before=t)
        self._buffer.add(t, name, data)

    def _advance(self, before: int | None) -> None:
        samples = self._buffer.take(before).part(None, self._room)
        if len(samples.t) == 0:
            return
        self._first = int(samples.t[0]) if self._first is None else self._first
        self._last = int(samples.t[-1])
        for start in range(0, len(samples.t), BLOCK):
            self._thinner.add(samples.part(start, start + BLOCK))

    @property
    def _room(self) -> int:
        """For so many more samples: of the others the report says nothing either."""
        return PARAMETERS.max_samples - self._thinner.samples

    def trail(self) -> Trail:
        self._advance(before=None)
        line, rank = self._thinner.thinned(MOST_POINTS)
        clicks, views = self._clicks, self._views
        known = [t for t in (self._first, self._last, clicks.first, clicks.last) if t is not None]
        t, x, y, stroke = (column.tobytes() for column in line)
        return Trail(
            start=min(known, default=None),
            end=max(known, default=None),
            samples=self._thinner.samples,
            strokes=self._thinner.strokes,
            all_clicks=clicks.all,
            all_views=views.all,
            tolerance_px=self._thinner.tolerance_px,
            line=(t, x, y, stroke, rank.tobytes()),
            clicks=clicks.found,
            views=views.found,
        )


class _ClickData(msgspec.Struct, gc=False):
    x: float
    y: float
    button: Any = None
    target: Any = None


class _PathData(msgspec.Struct, gc=False):
    viewport: Any = None
    page: Any = None


_click = msgspec.json.Decoder(_ClickData)
_path = msgspec.json.Decoder(_PathData)


class Clicks:
    """Clicks in the order of time. Every click of a rage burst, as the report counts it, is marked."""

    def __init__(self) -> None:
        self._run: list[TrailClick] = []
        self._before: Click | None = None
        self.found: list[TrailClick] = []
        self.all = 0
        self.first: int | None = None
        self.last: int | None = None

    def add(self, t: int, data: str) -> None:
        try:
            told = _click.decode(data)
        except ValueError:
            return
        here, before = Click(t, told.x, told.y), self._before
        if before is None or not before.near(here, PARAMETERS):
            self._run = []
        click = TrailClick(t, told.x, told.y, _button(told.button), _text(told.target))
        # Of a run that is known to be a burst no other click need be held.
        self._run = [*self._run, click][-PARAMETERS.rage_clicks :]
        if len(self._run) == PARAMETERS.rage_clicks:
            for one in self._run:
                one.rage = True
        self._before = here
        self._note(click)

    def _note(self, click: TrailClick) -> None:
        self.all += 1
        self.first = click.t if self.first is None else self.first
        self.last = click.t
        if len(self.found) < MOST_MARKS:
            self.found.append(click)


class Views:
    """Where page, viewport or scroll are told, and differ from those told before."""

    def __init__(self) -> None:
        self._before: View | None = None
        self.found: list[View] = []
        self.all = 0

    def add(self, t: int, data: str) -> None:
        try:
            told = _path.decode(data)
        except ValueError:
            return
        viewport = told.viewport if isinstance(told.viewport, dict) else {}
        page = told.page if isinstance(told.page, dict) else {}
        sizes = [_size(viewport.get(side)) for side in "wh"]
        scroll = [_number(page.get(axis)) for axis in ("scroll_x", "scroll_y")]
        view = View(t, _text(page.get("path")), *sizes, *scroll)
        if self._before is None or msgspec.structs.replace(self._before, t=t) != view:
            self.all += 1
            if len(self.found) < MOST_MARKS:
                self.found.append(view)
        self._before = view


def _text(value: object) -> str | None:
    return value[:TEXT] if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if type(value) not in {int, float} or not abs(value) <= MOST_PX:  # type: ignore[arg-type]
        return None
    return float(value)  # type: ignore[arg-type]


def _size(value: object) -> float | None:
    return number if (number := _number(value)) and number >= 1 else None


def _button(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 32 else None


class Stroke(NamedTuple):
    """t in ms since the trail's start, x and y in px."""

    t: list[float]
    x: list[float]
    y: list[float]


def strokes(line: Line, start: int) -> list[Stroke]:
    """A line stroke by stroke, in the order of time; a sample between two gaps is one of its own."""
    cuts = np.flatnonzero(np.diff(line.stroke)) + 1
    columns = (line.t - start) / 1000, np.round(line.x, 2), np.round(line.y, 2)
    parts = [np.split(column, cuts) for column in columns]
    return [
        Stroke(*(part.tolist() for part in of)) for of in zip(*parts, strict=True) if len(of[0])
    ]
