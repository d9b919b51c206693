"""What is sent: made up from a seed, so that the same seed writes the same bodies again."""

import gzip
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

# How often in a hundred: a body sent before; an event sent before, as it was or under its own id
# with other content; a wrong event; one that comes late; a packed body.
BODY_AGAIN, EVENT_AGAIN, EVENT_TWISTED, WRONG, LATE, PACKED = 4, 5, 1, 4, 2, 20
# How many events a body has, and how often in a hundred.
SIZES = {(1, 1): 40, (2, 40): 50, (100, 1_000): 10}
SESSIONS_AT_ONCE = 6
EVENTS_A_SESSION = 100  # by each author
STEP = timedelta(milliseconds=5)


@dataclass(frozen=True, slots=True)
class Key:
    text: str = field(repr=False)
    application_id: int


@dataclass(frozen=True, slots=True)
class Written:
    """An event's text; the mark that makes it this event and no other; whether it is right."""

    text: bytes
    mark: str
    right: bool


@dataclass(frozen=True, slots=True)
class Body:
    key: Key
    events: tuple[Written, ...]
    packed: bool

    def plain(self) -> bytes:
        if len(self.events) == 1 and self.events[0].text.startswith(b"{"):
            return self.events[0].text
        return b"[" + b",".join(event.text for event in self.events) + b"]"

    def raw(self) -> bytes:
        return gzip.compress(self.plain(), 1) if self.packed else self.plain()


def session_id(seed: str, place: int) -> UUID:
    """All authors of a seed write about the same sessions."""
    return UUID(bytes=blake2b(f"{seed} {place}".encode(), digest_size=16).digest(), version=4)


class Author:
    """Writes one body after another, with a share of all that a client may do wrong or twice."""

    def __init__(self, seed: str, number: int, keys: Sequence[Key], began: datetime) -> None:
        self.seed = seed
        self.number = number
        self.keys = keys
        self.dice = Random(f"{seed} {number}")
        self.clock = began
        self.numbers = count()
        self.events: deque[tuple[dict[str, Any], Written]] = deque(maxlen=500)
        self.bodies: deque[Body] = deque(maxlen=20)

    def body(self) -> Body:
        if self.bodies and self._happens(BODY_AGAIN):
            return self.bodies[-1 if self._happens(50) else self.dice.randrange(len(self.bodies))]
        (size,) = self.dice.choices(list(SIZES), list(SIZES.values()))
        return self._write(self.dice.randint(*size))

    def single(self) -> Body:
        """One right event that was never sent."""
        return self._bound((self._right(),))

    def _happens(self, times_in_a_hundred: int) -> bool:
        return self.dice.random() * 100 < times_in_a_hundred

    def _write(self, size: int) -> Body:
        events: list[Written] = []
        while len(events) < size:
            events.append(self._event())
            if self._happens(EVENT_AGAIN):
                events.append(self.dice.choice(events))
        body = self._bound(tuple(events[:size]))
        self.bodies.append(body)
        return body

    def _bound(self, events: tuple[Written, ...]) -> Body:
        return Body(self.dice.choice(self.keys), events, self._happens(PACKED))

    def _event(self) -> Written:
        if self.events and self._happens(EVENT_AGAIN):
            return self.dice.choice(self.events)[1]
        if self.events and self._happens(EVENT_TWISTED):
            return self._twisted(*self.dice.choice(self.events))
        return self._wrong() if self._happens(WRONG) else self._right()

    def _right(self) -> Written:
        event, mark = self._new()
        written = Written(_text(event), mark, right=True)
        self.events.append((event, written))
        return written

    def _twisted(self, event: dict[str, Any], before: Written) -> Written:
        """Where the client gave an id, that and the timestamp alone make the event."""
        if "id" not in event:
            return before
        return Written(_text(event | {"name": "twisted"}), before.mark, right=True)

    def _wrong(self) -> Written:
        event, mark = self._new()
        spoilt = self.dice.choice(SPOILERS)(event | {"note": mark}, mark)
        return Written(_text(spoilt), mark, right=False)

    def _new(self) -> tuple[dict[str, Any], str]:
        place = next(self.numbers)
        mark = f"{self.number}-{place}"
        kind = self.dice.choice(KINDS)(self.dice)
        event = {
            "session_id": str(self._session(place)),
            "timestamp": self._timestamp(),
            **kind,
            "data": {"mark": mark, **kind["data"]},
        }
        return event | ({"id": mark} if self._happens(50) else {}), mark

    def _session(self, place: int) -> UUID:
        window = place // EVENTS_A_SESSION // SESSIONS_AT_ONCE * SESSIONS_AT_ONCE
        return session_id(self.seed, window + self.dice.randrange(SESSIONS_AT_ONCE))

    def _timestamp(self) -> str:
        self.clock += STEP
        moment = self.clock
        if self._happens(LATE):
            moment -= timedelta(days=self.dice.choice((1, 40, 1_500)))
        text = moment.isoformat()
        return self.dice.choice((text, text.replace("+00:00", "Z"), text.replace("T", " ")))


def _text(event: Any) -> bytes:
    return json.dumps(event).encode()


def _page_view(dice: Random) -> dict[str, Any]:
    data = {"host": "shop.example", "path": f"/{dice.randrange(50)}"}
    return {"category": "page interaction", "name": "pageview", "data": data}


def _purchase(dice: Random) -> dict[str, Any]:
    data = {
        "items": [dice.randrange(1_000) for _ in range(dice.randrange(5))],
        "note": "ä \U0001f441",
    }
    return {"category": "shop", "name": f"purchase {dice.randrange(10)}", "data": data}


def _move(dice: Random) -> dict[str, Any]:
    data = {"x": dice.randrange(1_000), "y": dice.random() * 1_000}
    return {"category": "pointer", "name": "move", "data": data}


def _path(dice: Random) -> dict[str, Any]:
    samples = dice.randrange(2, 30)
    data = {
        "t": [16 * place for place in range(samples)],
        "x": [dice.randrange(1_000) for _ in range(samples)],
        "y": [dice.randrange(1_000) for _ in range(samples)],
    }
    return {"category": "pointer", "name": "path", "data": data}


KINDS: tuple[Callable[[Random], dict[str, Any]], ...] = (_page_view, _purchase, _move, _path)

# Each makes of a right event one that is rejected, and no two events the same text.
SPOILERS: tuple[Callable[[dict[str, Any], str], Any], ...] = (
    lambda event, mark: event | {"category": ""},
    lambda event, mark: event | {"data": {}},
    lambda event, mark: event | {"name": "n" * 201, "timestamp": "yesterday"},
    lambda event, mark: event | {"timestamp": "2199-12-31T00:00:00Z"},
    lambda event, mark: event | {"session_id": f"not {mark}"},
    lambda event, mark: {"note": mark},
    lambda event, mark: event | {"data": {"large": 2**70, "text": "nul \0"}},
    lambda event, mark: event | {"category": "pointer", "name": "move", "data": {"x": "left"}},
    lambda event, mark: [mark],
    lambda event, mark: mark,
)
