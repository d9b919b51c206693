"""POST /api/events with many events, over 8 connections."""

from bench.accept import LIMIT, in_turns
from bench.figures import Row, at_least, at_most
from bench.processes import Processes

NAME = "accept_batches"
CONNECTIONS = 8
GOAL_SIZE = 20


def run(processes: Processes, quick: bool) -> list[Row]:
    return [row for size in (20, 100, 1_000) for row in _of(size, processes, quick)]


def _of(size: int, processes: Processes, quick: bool) -> list[Row]:
    rounds, seconds = (1, 0.2) if quick else (4, 4.0)
    web_port, bare_port = processes.only("web", "bare 16")
    ports = {"web": web_port, "bare": bare_port}
    sides = in_turns(ports, rounds, seconds, size, CONNECTIONS)
    web, limit = sides["web"], sides["bare"]
    enough, soon = (at_least(20_000), at_most(50)) if size == GOAL_SIZE else (None, None)
    return [
        Row(NAME, f"{size:,}", web.rate * size, "events/s", LIMIT, limit.rate * size, enough),
        Row(NAME, f"{size:,}, p50", web.p50, "ms", LIMIT, limit.p50),
        Row(NAME, f"{size:,}, p99", web.p99, "ms", LIMIT, limit.p99, soon),
    ]
