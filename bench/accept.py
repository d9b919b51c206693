"""Accepting: the web server against the bare app, each the same requests, in turns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import load, stage
from bench.figures import middle
from bench.load import Answers, Order

# With few threads, and with as many as make it fastest.
BARE = ("bare", "bare 16")
LIMIT = (
    "a bare WSGI app on granian that does the same INSERT and COMMIT and nothing else, "
    "with the number of threads at which it is fastest"
)


@dataclass
class Side:
    """The runs of one server, and the medians of their figures."""

    port: int
    runs: list[Answers] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return middle([run.rate for run in self.runs])

    @property
    def p50(self) -> float:
        return middle([run.p50 for run in self.runs])

    @property
    def p95(self) -> float:
        return middle([run.p95 for run in self.runs])

    @property
    def p99(self) -> float:
        return middle([run.p99 for run in self.runs])


def in_turns(
    ports: Mapping[str, int], rounds: int, seconds: float, size: int = 1, connections: int = 16
) -> dict[str, Side]:
    """One run of each server after the other, each on an empty inbox, and that again and again."""
    sides = {name: Side(port) for name, port in ports.items()}
    for _ in range(rounds):
        for side in sides.values():
            stage.empty()
            order = Order(side.port, stage.shop().key, connections, size, seconds)
            side.runs.append(load.send(order))
    return sides


def fastest(sides: Mapping[str, Side]) -> Side:
    return max((sides[name] for name in BARE), key=lambda side: side.rate)
