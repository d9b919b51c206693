"""From when an event was due to when a SELECT finds it, at half of the rate that is possible.

Events are due at even intervals, whether or not the ones before were answered.
"""

from bench import load, stage, watch
from bench.end_to_end import stored_rate
from bench.figures import Row, middle, percentile
from bench.load import Order
from bench.processes import Processes

NAME = "latency"
LIMIT = "the time until the bare WSGI app answered at the same rate: its row is queryable then, as it came"
type Times = list[float]

# One session in so many is looked for, so that looking does not take the time it measures.
WATCHED_ONE_IN = 5


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, seconds, count = (1, 1.0, 200) if quick else (4, 15.0, 5_000)
    up, bare = processes.only("up", "bare 16")
    peak = middle([stored_rate(up, count, seed=100 + n) for n in range(rounds)])
    stage.say(f"the peak is {peak:,.0f} events/s")
    runs = [both(up, bare, peak / 2, seconds, seed=n) for n in range(rounds)]
    stored, answered = zip(*runs, strict=True)

    def row(share: float) -> Row:
        value, limit = (
            middle([percentile(times, share) for times in side]) for side in (stored, answered)
        )
        case = f"p{share * 100:.0f} at {peak / 2:,.0f} events/s"
        return Row(NAME, case, value, "ms", LIMIT, limit)

    return [row(share) for share in (0.5, 0.95, 0.99)]


def both(up: int, bare: int, rate: float, seconds: float, seed: int) -> tuple[Times, Times]:
    """Until queryable, and until the bare app answered."""
    watch.emptied()
    with load.sending(evenly(up, rate, seconds, seed)) as sending:
        stored = watch.until_queryable(sending, WATCHED_ONE_IN)
    watch.emptied()
    return stored, load.send(evenly(bare, rate, seconds)).times


def evenly(port: int, rate: float, seconds: float, seed: int = 1) -> Order:
    requests = max(1, round(rate * seconds))
    return Order(port, stage.shop().key, requests=requests, rate=rate, seed=seed)
