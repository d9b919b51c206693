"""One worker's digest, of an inbox that is full, beside COPY of the rows that come out of it."""

import io
import math
from dataclasses import dataclass
from time import perf_counter

from bench import events, inbox, stage
from bench.digesting import Digest, digester
from bench.figures import Row, middle, ratio_at_least
from bench.processes import Processes

NAME = "digest"
LIMIT = (
    "client-side COPY, by one connection, of the rows that were stored, ready-made and in order, "
    "into the same emptied table with its partitions and indexes, in as many transactions"
)


@dataclass(frozen=True)
class Case:
    name: str
    size: int
    make: events.Maker = events.event
    # Everything is in the table already.
    again: bool = False
    has_goal: bool = True


CASES = (
    Case("batches of 100", 100),
    Case("batches of 20", 20),
    Case("batches of 1,000", 1_000),
    Case("single events", 1, has_goal=False),
    Case("batches of 100, 5 % invalid", 100, make=events.wrong, has_goal=False),
    Case("batches of 100, all duplicates", 100, again=True, has_goal=False),
)


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, count = (1, 1_000) if quick else (4, 120_000)
    processes.only()
    with digester() as digest:
        return [measured(case, digest, rounds, count) for case in CASES]


def measured(case: Case, digest: Digest, rounds: int, count: int) -> Row:
    stage.say(case.name)
    inbox.keep(events.bodies(count // case.size, case.size, seed=1, make=case.make), case.size)
    rates = [one_round(case, digest) for _ in range(rounds)]
    value, limit = map(middle, zip(*rates, strict=True))
    goal = ratio_at_least(0.6) if case.has_goal else None
    return Row(NAME, case.name, value, "events/s", LIMIT, limit, goal)


def one_round(case: Case, digest: Digest) -> tuple[float, float]:
    """Events a second: digested, and copied."""
    stage.empty()
    inbox.put()
    seconds, digested = digest()
    lines, transactions = stored()
    if case.again:
        inbox.put()
        seconds, digested = digest()
    return digested / seconds, copy(lines, math.ceil(len(lines) / transactions))


def stored() -> tuple[list[bytes], int]:
    """The rows of the events' table as COPY wants them, and how many transactions stored them."""
    from django.db import connection

    file = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert("COPY (SELECT * FROM tracking_event ORDER BY id) TO STDOUT", file)
    ((transactions,),) = stage.sql("SELECT count(DISTINCT xmin::text) FROM tracking_event")
    return file.getvalue().splitlines(keepends=True), transactions


def copy(lines: list[bytes], size: int) -> float:
    """Rows a second."""
    from django.db import connection, transaction

    files = [io.BytesIO(b"".join(lines[at : at + size])) for at in range(0, len(lines), size)]
    stage.empty()
    began = perf_counter()
    for file in files:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.copy_expert("COPY tracking_event FROM STDIN", file)
    return len(lines) / (perf_counter() - began)
