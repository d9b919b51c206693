"""What a session's events say besides their pointer samples."""

from typing import Self

import msgspec

from reports.minutes import MINUTE_US
from reports.parameters import Parameters


class Click(msgspec.Struct, frozen=True, array_like=True):
    t: int
    x: float
    y: float

    def near(self, other: "Click", parameters: Parameters) -> bool:
        """Whether `other` came ≤ rage_ms after this one and ≤ rage_px (Euclid) away."""
        dx, dy = other.x - self.x, other.y - self.y
        soon = other.t - self.t <= parameters.rage_ms * 1000
        return soon and dx * dx + dy * dy <= parameters.rage_px**2


class _ClickData(msgspec.Struct, gc=False):
    x: float
    y: float


_click = msgspec.json.Decoder(_ClickData)


class Activity(msgspec.Struct):
    """What was counted so far.

    events: their number. kinds: by category and name. active_us: Σ of the times between
    consecutive events that are ≤ active_gap_ms, µs. rage_bursts: maximal runs of
    ≥ rage_clicks clicks with each near the one before. minutes: in how many (UTC) there were
    events.

    Only the first `Parameters.kinds` different kinds are told apart, which bounds the
    state; events of later kinds are counted in other_kinds.
    """

    events: int = 0
    kinds: dict[str, dict[str, int]] = {}
    different_kinds: int = 0
    other_kinds: int = 0
    page_views: int = 0
    submits: int = 0
    active_us: int = 0
    minutes: int = 0
    first_us: int | None = None
    last_us: int | None = None
    clicks: int = 0
    rage_bursts: int = 0
    last_click: Click | None = None
    clicks_in_run: int = 0

    def copy(self) -> Self:
        kinds = {category: dict(names) for category, names in self.kinds.items()}
        return msgspec.structs.replace(self, kinds=kinds)

    def add(self, t: int, category: str, name: str, parameters: Parameters) -> None:
        """Count an event at `t` (µs since 1970), which is not before the last one."""
        self.events += 1
        self._add_kind(category, name, parameters.kinds)
        if category == "page interaction" and name == "pageview":
            self.page_views += 1
        elif category == "form interaction" and name == "submit":
            self.submits += 1
        if self.last_us is None or t // MINUTE_US > self.last_us // MINUTE_US:
            self.minutes += 1
        if self.last_us is None:
            self.first_us = t
        elif t - self.last_us <= parameters.active_gap_ms * 1000:
            self.active_us += t - self.last_us
        self.last_us = t

    def _add_kind(self, category: str, name: str, limit: int) -> None:
        names = self.kinds.get(category, {})
        if name in names:
            names[name] += 1
        elif self.different_kinds < limit:
            names[name] = 1
            self.kinds[category] = names
            self.different_kinds += 1
        else:
            self.other_kinds += 1

    def add_click(self, t: int, data: str, parameters: Parameters) -> None:
        try:
            where = _click.decode(data)
        except ValueError:
            return
        click = Click(t, where.x + 0.0, where.y + 0.0)
        last = self.last_click
        goes_on = last is not None and last.near(click, parameters)
        self.clicks_in_run = self.clicks_in_run + 1 if goes_on else 1
        self.rage_bursts += self.clicks_in_run == parameters.rage_clicks
        self.clicks += 1
        self.last_click = click
