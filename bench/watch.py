"""When events become queryable: a SELECT looks for them, again and again."""

from time import perf_counter, sleep

from bench import events, stage
from bench.load import PATIENCE_SECONDS, Sending

EVERY_SECONDS = 0.005
FIND = "SELECT (data->>'n')::int FROM tracking_event WHERE session_id = ANY(%s::uuid[])"


def until_queryable(sending: Sending, one_in: int = 1) -> list[float]:
    """How long after it was due each event was found, in ms; only of one in so many sessions.

    For an order of single events with a rate. What is not there a minute after the last one was
    due counts with the time until then.
    """
    count = sending.order.requests or 0
    ahead = [n for n in reversed(range(count)) if n // events.PER_SESSION % one_in == 0]
    waiting: set[int] = set()
    times: list[float] = []
    deadline = sending.due(count) + PATIENCE_SECONDS
    while (ahead or waiting) and perf_counter() < deadline:
        while ahead and sending.due(ahead[-1]) <= perf_counter():
            waiting.add(ahead.pop())
        there = found(sending.order.seed, waiting)
        now = perf_counter()
        times += [(now - sending.due(n)) * 1000 for n in there]
        waiting -= there
        sleep(EVERY_SECONDS)
    return times + [(deadline - sending.due(n)) * 1000 for n in waiting]


def found(seed: int, waiting: set[int]) -> set[int]:
    if not waiting:
        return set()
    numbers = {n // events.PER_SESSION for n in waiting}
    sessions = [str(events.session(seed, number)) for number in numbers]
    return {n for (n,) in stage.sql(FIND, [sessions])} & waiting


def until_stored(count: int) -> float:
    """When, by time.perf_counter(), the last of so many events was there."""
    deadline = perf_counter() + PATIENCE_SECONDS
    while stage.sql("SELECT count(*) FROM tracking_event")[0][0] < count:
        if perf_counter() > deadline:
            raise RuntimeError("Not all events were stored within a minute.")
        sleep(EVERY_SECONDS)
    return perf_counter()


def emptied() -> None:
    """When no batch waits and every report is up to date, all of that is removed."""
    deadline = perf_counter() + PATIENCE_SECONDS
    busy = (
        "SELECT EXISTS (SELECT FROM tracking_batch) "
        "OR EXISTS (SELECT FROM tracking_session WHERE report_revision < revision)"
    )
    while stage.sql(busy)[0][0]:
        if perf_counter() > deadline:
            raise RuntimeError("The workers have not come to rest within a minute.")
        sleep(0.05)
    stage.empty()
