"""The trail of one long session, in one process."""

from time import perf_counter

from bench.figures import Row, at_most
from bench.fold import PATH_SAMPLES, session
from bench.processes import Processes

NAME = "trail"


def run(processes: Processes, quick: bool) -> list[Row]:
    from reports import trail

    samples = 30_000 if quick else 5_000_000
    events = session(samples)
    began = perf_counter()
    found = trail.compute(events)
    seconds = perf_counter() - began
    if found.samples != len(events) * PATH_SAMPLES:
        raise RuntimeError("The trail has left samples out.")
    return [Row(NAME, "5 M samples", seconds, "s", goal=at_most(8))]
