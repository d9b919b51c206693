"""All processes of `make run`, with nothing to do."""

import time

from bench import stage
from bench.figures import Row, at_most
from bench.processes import Processes
from bench.usage import Meter, groups, megabytes

NAME = "idle"


def run(processes: Processes, quick: bool) -> list[Row]:
    settling, seconds = (0.0, 1.0) if quick else (10.0, 30.0)
    processes.only()
    processes.only("up")
    stage.empty()
    time.sleep(settling)
    meter = Meter(processes)
    time.sleep(seconds)
    shares = meter.shares()
    memory = {name: megabytes(pids) for name, pids in groups(processes).items()}
    return [
        Row(NAME, "CPU, all together", sum(shares.values()), "% core", goal=at_most(2)),
        Row(NAME, "memory, all together", sum(memory.values()), "MB", goal=at_most(600)),
        *(Row(NAME, f"memory, {name}", size, "MB") for name, size in memory.items()),
    ]
