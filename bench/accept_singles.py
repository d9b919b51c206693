"""POST /api/events with one event, over 16 connections."""

from bench.accept import BARE, LIMIT, fastest, in_turns
from bench.figures import Row, ratio_at_least
from bench.processes import Processes

NAME = "accept_singles"


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, seconds = (1, 0.3) if quick else (6, 5.0)
    names = ("web", *BARE)
    sides = in_turns(dict(zip(names, processes.only(*names), strict=True)), rounds, seconds)
    web, limit = sides["web"], fastest(sides)
    return [
        Row(NAME, "requests", web.rate, "req/s", LIMIT, limit.rate, ratio_at_least(0.5)),
        Row(NAME, "p50", web.p50, "ms", LIMIT, limit.p50),
        Row(NAME, "p95", web.p95, "ms", LIMIT, limit.p95),
        Row(NAME, "p99", web.p99, "ms", LIMIT, limit.p99),
        Row(NAME, "requests, bare app, 4 threads", sides["bare"].rate, "req/s"),
        Row(NAME, "requests, bare app, 16 threads", sides["bare 16"].rate, "req/s"),
    ]
