"""Visitors of three invented sites: what they do in a visit, as the events that a tracker sends."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import numpy as np

FRAME_MS = 1_000 / 60
# The tracker sends what came in within this time as one path.
FLUSH_FRAMES = 24
SHAPES = 64
VIEWPORTS = ((1_440, 900), (1_920, 1_080), (1_280, 720), (834, 1_112), (390, 844))


@dataclass(frozen=True, slots=True)
class Site:
    """`goal` is the category and name of what a visitor is to do in the end."""

    name: str
    pages: tuple[str, ...]
    goal: tuple[str, str]
    goals_in_hundred: int


SITES = (
    Site(
        "Demo shop",
        ("/", "/products", *(f"/products/{n}" for n in range(1, 25)), "/cart", "/checkout"),
        ("shop", "order placed"),
        25,
    ),
    Site(
        "Demo blog",
        ("/", "/archive", *(f"/posts/{n}" for n in range(1, 40))),
        ("form interaction", "submit"),
        4,
    ),
    Site(
        "Demo help desk",
        ("/", "/search", *(f"/articles/{n}" for n in range(1, 30)), "/contact"),
        ("form interaction", "submit"),
        30,
    ),
)
ORDER = {
    "type": "object",
    "required": ["order", "total", "currency"],
    "properties": {
        "order": {"type": "string", "maxLength": 20},
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "items": {"type": "integer", "minimum": 1},
    },
}


@dataclass(frozen=True, slots=True)
class Visit:
    site: Site
    session: UUID
    start: datetime
    events: list[bytes]
    end: datetime


class Visitor:
    """One visit, event by event. `breaks_orders`: its shop sends totals as text.

    What it does after `until` is still to come.
    """

    def __init__(
        self, dice: Random, start: datetime, until: datetime, breaks_orders: bool = False
    ) -> None:
        self.dice = dice
        self.site = dice.choices(SITES, (6, 3, 2))[0]
        self.session = UUID(int=dice.getrandbits(128), version=4)
        self.start = self.now = start
        self.until = until
        self.breaks_orders = breaks_orders
        self.width, self.height = dice.choices(VIEWPORTS, (5, 4, 3, 1, 2))[0]
        self.x, self.y = self.width / 2, self.height / 2
        self.page, self.scroll, self.length = "/", 0.0, 2_400
        self.events: list[bytes] = []

    def visit(self) -> Visit:
        for page in self._way():
            self._see(page)
        if self.dice.randrange(100) < self.site.goals_in_hundred:
            self._reach_goal()
        return Visit(self.site, self.session, self.start, self.events, min(self.now, self.until))

    def _way(self) -> list[str]:
        landing, *others = self.site.pages
        count = min(1 + int(self.dice.expovariate(0.35)), 12)
        return [landing if self.dice.random() < 0.6 else self.dice.choice(others)] + [
            # What stands first is visited most.
            others[int(len(others) * self.dice.random() ** 2)]
            for _ in range(count)
        ]

    def _see(self, page: str) -> None:
        self.page, self.scroll = page, 0.0
        self.length = 1_200 + 400 * (sum(page.encode()) % 9)
        self._wait(0.3, 1.2)
        self._send("page interaction", "pageview", json.dumps({"path": page}))
        for _ in range(self.dice.randint(4, 12)):
            self._move()
            self._wait(0.1, 2.5)
            if self.dice.random() < 0.35:
                self._click()
            if self.dice.random() < 0.4:
                self.scroll = self.dice.uniform(0, max(self.length - self.height, 0))

    def _move(self) -> None:
        """To another place, in a bow, fast in the middle and slow at its ends."""
        to_x = min(max(self.dice.gauss(0.45, 0.22), 0.01), 0.99) * self.width
        to_y = min(max(self.dice.gauss(0.42, 0.22), 0.01), 0.99) * self.height
        along, aside = self.dice.choice(shapes())
        dx, dy = to_x - self.x, to_y - self.y
        xs = np.clip(self.x + along * dx - aside * dy, 0, self.width).round(1).tolist()
        ys = np.clip(self.y + along * dy + aside * dx, 0, self.height).round(1).tolist()
        for first in range(0, len(xs), FLUSH_FRAMES):
            frames = slice(first, first + FLUSH_FRAMES)
            self._send("pointer", "path", self._path(xs[frames], ys[frames]))
            self.now += timedelta(milliseconds=FRAME_MS * len(xs[frames]))
        self.x, self.y = xs[-1], ys[-1]

    def _path(self, xs: list[float], ys: list[float]) -> str:
        return (
            f'{{"t":{times(len(xs))},"x":{xs},"y":{ys},'
            f'"viewport":{{"w":{self.width},"h":{self.height}}},'
            f'"page":{{"path":"{self.page}","w":{self.width},"h":{self.length},'
            f'"scroll_x":0,"scroll_y":{self.scroll:.0f}}}}}'
        )

    def _click(self) -> None:
        """Some click again and again where nothing happens."""
        for _ in range(self.dice.choices((1, 2, 5), (90, 6, 4))[0]):
            place = {"x": round(self.x, 1), "y": round(self.y, 1), "button": 0}
            self._send("pointer", "click", json.dumps(place))
            self._wait(0.12, 0.3)

    def _reach_goal(self) -> None:
        total = round(self.dice.uniform(5, 250), 2)
        data: dict[str, Any] = {"path": self.page, "form": {"valid": True}}
        if self.site.goal[0] == "shop":
            number = f"EU-{self.dice.randrange(10**6):06}"
            shown = f"{total:.2f}" if self.breaks_orders else total
            data = {"order": number, "total": shown, "currency": "EUR", "items": 2}
        self._send(*self.site.goal, json.dumps(data))
        self._wait(0.5, 2)

    def _wait(self, least: float, most: float) -> None:
        self.now += timedelta(seconds=self.dice.uniform(least, most))

    def _send(self, category: str, name: str, data: str) -> None:
        if self.now > self.until:
            return
        self.events.append(
            f'{{"session_id":"{self.session}","category":"{category}","name":"{name}",'
            f'"timestamp":"{self.now.isoformat()}","data":{data}}}'.encode()
        )


@cache
def shapes() -> list[tuple[Any, Any]]:
    """Strokes from (0, 0) to (1, 0): how far along and how far aside in each frame.

    With least jerk (Flash & Hogan 1985), as hands move, and a bow to one side.
    """
    dice = np.random.default_rng(1)
    made = []
    for _ in range(SHAPES):
        u = np.linspace(0, 1, int(dice.integers(18, 80)))
        along = u**3 * (10 - 15 * u + 6 * u**2)
        bow = dice.normal(0, 0.12) * np.sin(np.pi * along)
        made.append((along, bow + dice.normal(0, 0.002, len(u))))
    return made


@cache
def times(count: int) -> list[float]:
    return [round(n * FRAME_MS, 1) for n in range(count)]


def visits(
    dice: Random, starts: Iterable[tuple[datetime, bool]], until: datetime
) -> Iterator[Visit]:
    """One for each start, which says too whether the shop breaks orders then."""
    for start, breaks_orders in starts:
        yield Visitor(dice, start, until, breaks_orders).visit()
