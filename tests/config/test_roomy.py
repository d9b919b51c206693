"""Frames of deep calls: the pieces of memory that CPython has them in."""

from concurrent.futures import ThreadPoolExecutor
from resource import RUSAGE_THREAD, getrusage

from config.roomy import roomy

CALLS = 500
DEPTH = 400


def nothing() -> None: ...


def page_faults() -> int:
    """Of this thread; a piece of memory that is mapped and written to makes one."""
    return getrusage(RUSAGE_THREAD).ru_minflt


def most_faults(deeper: int) -> int:
    """Of CALLS small calls, at that depth where there are most."""
    before = page_faults()
    for _ in range(CALLS):
        nothing()
    here = page_faults() - before
    return max(here, most_faults(deeper - 1)) if deeper else here


@roomy
def most_faults_with_room(deeper: int) -> int:
    return most_faults(deeper)


def test_small_calls_at_any_depth_map_no_memory() -> None:
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(most_faults_with_room, DEPTH).result() < CALLS / 10
        assert thread.submit(most_faults, DEPTH).result() >= CALLS, "it is not needed any more"
