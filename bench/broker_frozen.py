"""Accepting 200 events a second, while the broker answers and while it is frozen, in turns."""

import contextlib
import os
import signal
from collections.abc import Iterator

from bench import load, stage
from bench.figures import Goal, Row, middle, ratio_at_most
from bench.latency import evenly
from bench.load import Answers
from bench.processes import Processes
from bench.usage import status

NAME = "broker_frozen"
LIMIT = "the same with a broker that answers"
RATE = 200.0


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, seconds = (1, 0.5) if quick else (4, 20.0)
    (port,) = processes.only("web")
    alive: list[Answers] = []
    asleep: list[Answers] = []
    for _ in range(rounds):
        stage.empty()
        alive.append(load.send(evenly(port, RATE, seconds)))
        with frozen():
            asleep.append(load.send(evenly(port, RATE, seconds)))
    return [
        row("p50", [run.p50 for run in asleep], [run.p50 for run in alive]),
        row("p99", [run.p99 for run in asleep], [run.p99 for run in alive], ratio_at_most(2)),
        row("longest", [max(run.times) for run in asleep], [max(run.times) for run in alive]),
    ]


def row(case: str, asleep: list[float], alive: list[float], goal: Goal | None = None) -> Row:
    return Row(NAME, case, middle(asleep), "ms", LIMIT, middle(alive), goal)


@contextlib.contextmanager
def frozen() -> Iterator[None]:
    """Valkey, which is broker and cache, keeps its connections and says nothing."""
    valkey = status("valkey")["pid"]
    os.kill(valkey, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(valkey, signal.SIGCONT)
