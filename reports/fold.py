"""A session's events, folded into a state from which its report is made.

`fold(fold(None, a), b)` and `fold(None, a + b)` give the same bytes wherever both are
allowed: a live session is continued, a recomputed one begun anew, with one result. The
minutes and the heat of the one together are those of the other.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

import msgspec

from reports.activity import Activity
from reports.heat import Heat, HeatKey, HeatState
from reports.metrics import Metrics, report
from reports.minutes import Minute, Minutes
from reports.moments import microseconds
from reports.parameters import VERSION, Parameters
from reports.pointer import PointerState, Tracer
from reports.samples import BLOCK, SampleBuffer
from reports.seconds import PointerSecond

__all__ = [
    "VERSION",
    "FoldEvent",
    "Folded",
    "Metrics",
    "Minute",
    "OutOfOrder",
    "Parameters",
    "PointerSecond",
    "State",
    "finish",
    "fold",
    "fold_in_order",
]


class FoldEvent(NamedTuple):
    """An event as stored: `timestamp` aware UTC, `data` the text of its JSON."""

    id: UUID
    timestamp: datetime
    category: str
    name: str
    data: str
    application_id: int = 0


class OutOfOrder(Exception):
    """The state cannot be continued with these events: fold the session anew."""


class State(msgspec.Struct):
    """Everything folded so far. Its size has a bound that no session's length moves."""

    parameters: Parameters
    last: tuple[int, UUID] | None = None
    activity: Activity = msgspec.field(default_factory=Activity)
    pointer: PointerState = msgspec.field(default_factory=PointerState)
    heat: HeatState = msgspec.field(default_factory=HeatState)

    @property
    def version(self) -> str:
        return self.parameters.version

    @property
    def events(self) -> int:
        """How many events were folded so far."""
        return self.activity.events

    @property
    def last_id(self) -> UUID | None:
        """The event after which every new one must lie."""
        return None if self.last is None else self.last[1]

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Raises msgspec.ValidationError for what another VERSION may have written."""
        return msgspec.json.decode(text, type=cls)


class Folded(NamedTuple):
    """The new state; the seconds touched, as whole rows, ascending; how many events.

    minutes, heat: what these events, and no others, add to each minute, and to each page
    and hour, ascending; events that are after the first max_minutes with any add nothing.
    """

    state: State
    seconds: list[PointerSecond]
    events: int
    minutes: dict[datetime, Minute]
    heat: dict[HeatKey, bytes]


def fold(state: State | None, events: Sequence[FoldEvent], parameters: Parameters) -> Folded:
    """Fold events, in any order and with repetitions, into a state (None: a new one).

    Raises OutOfOrder if not every event's (timestamp, id) lies after the last one
    folded and every pointer sample's time after the last sample's, or if the state is
    of another version. `state` itself is not changed.
    """
    return fold_in_order(state, sorted(events, key=_place), parameters)


def _place(event: FoldEvent) -> tuple[datetime, int]:
    return event.timestamp, event.id.int


def fold_in_order(
    state: State | None,
    events: Iterable[FoldEvent],
    parameters: Parameters,
    *,
    block: int = BLOCK,
) -> Folded:
    """As `fold`, for events that come sorted by (timestamp, id), such as from a cursor.

    Holds about `block` samples at a time, however many there are, and those of events
    that overlap; `block` does not change the result.
    """
    if state is None:
        state = State(parameters)
    if state.parameters != parameters:
        raise OutOfOrder(f"the state is of version {state.version}")
    folding = _Folding(state, block)
    for event in events:
        folding.add(event)
    return folding.folded()


def finish(state: State, *, errors: int = 0, clock_offset_ms: float | None = None) -> Metrics:
    """The report of what was folded, and of what is not in the events."""
    return report(state.activity, state.pointer, state.parameters, errors, clock_offset_ms)


class _Folding:
    """One run of the fold, working on copies of what the state holds."""

    def __init__(self, state: State, block: int) -> None:
        self._parameters = state.parameters
        self._known = self._last = state.last
        self._events_before = state.events
        self._activity = state.activity.copy()
        self._minutes = Minutes()
        self._tracer = Tracer(state.pointer, state.parameters, self._minutes)
        self._heat = Heat(state.heat, state.parameters.max_samples)
        self._buffer = SampleBuffer(self._tracer.pages, block, self._heat)
        self._block = block

    def add(self, event: FoldEvent) -> None:
        t = microseconds(event.timestamp)
        place = (t, event.id)
        if self._last is not None and place <= self._last:
            if place == self._last and self._last is not self._known:
                return
            raise OutOfOrder(f"event {event.id} does not lie after the last one")
        self._last = place
        self._activity.add(t, event.category, event.name, self._parameters)
        self._heat.is_open = self._activity.minutes <= self._parameters.max_minutes
        if self._heat.is_open:
            self._minutes.count(t, event.application_id)
        if event.category == "pointer":
            self._add_pointer(t, event.name, event.data, event.application_id)

    def _add_pointer(self, t: int, name: str, data: str, application_id: int) -> None:
        if name == "click":
            self._activity.add_click(t, data, self._parameters)
            self._heat.click(t, application_id, data)
            return
        if self._tracer.leaves_out(t):
            return
        if self._buffer.full():
            self._advance(before=t)
        self._buffer.add(t, name, data, application_id)

    def _advance(self, before: int | None) -> None:
        samples = self._buffer.take(before)
        if not self._tracer.is_before(samples):
            raise OutOfOrder("a pointer sample does not lie after the last one")
        for part in samples.parts(self._block):
            self._tracer.advance(part)

    def folded(self) -> Folded:
        self._advance(before=None)
        pointer, heat = self._tracer.state(), self._heat.state()
        state = State(self._parameters, self._last, self._activity, pointer, heat)
        events = state.events - self._events_before
        found = self._minutes.found(), self._heat.found()
        return Folded(state, self._tracer.seconds(), events, *found)
