"""How much of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults go on until each kind came so often, and there are so many of them and of accepted
    events; or, where a time is set, for so long. `rest` is the mean pause between two faults."""

    seed: str
    events_a_second: float = 700.0
    rest: float = 1.0
    each_kind: int = 2
    faults: int = 0
    events: int = 0
    seconds: float | None = None
    only: str = ""

    def is_met(self, seconds: float, faults: int, each_kind: int, events: int) -> bool:
        if self.seconds is not None:
            return seconds >= self.seconds
        return faults >= self.faults and each_kind >= self.each_kind and events >= self.events
