"""A small site: 100 events a second for a minute, and what that costs."""

from bench import load, watch
from bench.figures import Row, percentile
from bench.latency import evenly
from bench.processes import Processes
from bench.usage import Meter

NAME = "steady"
RATE = 100.0


def run(processes: Processes, quick: bool) -> list[Row]:
    seconds = 1.0 if quick else 60.0
    (port,) = processes.only("up")
    watch.emptied()
    load.send(evenly(port, RATE, seconds / 10, seed=2))  # warms up
    with load.sending(evenly(port, RATE, seconds)) as sending:
        meter = Meter(processes)
        stored = watch.until_queryable(sending)
        shares = meter.shares()
        accepted = sending.answers().times
    return [
        *(Row(NAME, f"CPU, {name}", share, "% core") for name, share in shares.items()),
        Row(NAME, "CPU, all together", sum(shares.values()), "% core"),
        Row(NAME, "until accepted, p99", percentile(accepted, 0.99), "ms"),
        Row(NAME, "until queryable, p99", percentile(stored, 0.99), "ms"),
    ]
