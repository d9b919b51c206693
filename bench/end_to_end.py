"""From the first POST to the last row that a SELECT finds: single events, over 16 connections."""

from bench import load, stage, watch
from bench.figures import Row, middle, ratio_at_least
from bench.load import Order
from bench.processes import Processes

NAME = "end_to_end"
LIMIT = "requests a second of the bare WSGI app, which does INSERT and COMMIT and nothing else"


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, count, seconds = (1, 300, 0.3) if quick else (4, 20_000, 5.0)
    up, bare = processes.only("up", "bare 16")
    rates = [(stored_rate(up, count, seed=n), bare_rate(bare, seconds)) for n in range(rounds)]
    value, limit = map(middle, zip(*rates, strict=True))
    return [Row(NAME, "events", value, "events/s", LIMIT, limit, ratio_at_least(0.4))]


def stored_rate(port: int, count: int, seed: int) -> float:
    watch.emptied()
    sent = load.send(Order(port, stage.shop().key, requests=count, seed=seed))
    return count / (watch.until_stored(count) - sent.began)


def bare_rate(port: int, seconds: float) -> float:
    watch.emptied()
    return load.send(Order(port, stage.shop().key, seconds=seconds)).rate
