"""A session of 100,000 paths with five million samples: folded anew, and gone on with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO
from uuid import UUID

from bench import events, stage
from bench.figures import Row, at_most, middle, ratio_at_most
from bench.fold import FRAME_MS, path
from bench.processes import Processes
from bench.script import Script
from bench.usage import forget_peak, peak_megabytes, resident_megabytes

NAME = "big_session"
READ = "reading the same rows through the same cursor and decoding their JSON, and nothing else"
SMALL = "the update of a session of 10 events"
PATH_SAMPLES = 50
EVENTS, SMALL_EVENTS, WARMING_EVENTS = 100_000, 10, 500
CHUNK = 20_000
MERGE = """
INSERT INTO tracking_session
       (id, created_at, first_at, last_at, event_count, error_count, revision, report_revision)
VALUES (%(id)s, now(), %(first)s, %(last)s, %(count)s, 0, 1, 0)
    ON CONFLICT (id) DO UPDATE
   SET last_at = %(last)s, event_count = tracking_session.event_count + %(count)s,
       revision = tracking_session.revision + 1
"""


def run(processes: Processes, quick: bool) -> list[Row]:
    count, rounds = (2_000, 2) if quick else (EVENTS, 6)
    processes.only()
    stage.empty()
    with building() as builder:
        builder.recompute(Session(1, WARMING_EVENTS))
        big, small = Session(2, count), Session(3, SMALL_EVENTS)
        builder.recompute(small)
        memory = builder.memory(big)  # before it keeps for reuse what such a session takes
        runs = [(builder.recompute(big), builder.read(big)) for _ in range(rounds)]
        updates = [(builder.update(big), builder.update(small)) for _ in range(5 * rounds)]
    took, read = map(middle, zip(*runs, strict=True))
    long, short = map(middle, zip(*updates, strict=True))
    samples = f"{count * PATH_SAMPLES:,} samples"
    return [
        Row(NAME, f"recompute, {samples}", took, "s", READ, read, at_most(6)),
        Row(NAME, "recompute, memory over idle", memory, "MB", goal=at_most(300)),
        Row(NAME, "update after one more path", long, "ms", SMALL, short, ratio_at_most(1.5)),
    ]


class Session:
    """As the digest stores it: a path after the other, without a rest between them."""

    def __init__(self, number: int, count: int) -> None:
        self.id = events.session(NAME, number)
        self.sender = stage.shop()
        self.start = events.some_time_ago() - timedelta(days=1, hours=1)
        self.length = 0
        self.grow(count)

    def grow(self, count: int) -> None:
        for first in range(0, count, CHUNK):
            self._store(min(CHUNK, count - first))

    def _store(self, count: int) -> None:
        from django.db import connection

        numbers = range(self.length, self.length + count)
        text = StringIO("".join(self._row(n) for n in numbers))
        columns = "id, application_id, session_id, category, name, data, timestamp, received_at"
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY tracking_event ({columns}) FROM STDIN", text)
        self.length += count
        first, last = self._at(numbers[0]), self._at(numbers[-1])
        values = {"id": self.id, "first": first, "last": last, "count": count}
        stage.sql(MERGE, values)

    def _at(self, n: int) -> datetime:
        return self.start + n * timedelta(milliseconds=PATH_SAMPLES * FRAME_MS)

    def _row(self, n: int) -> str:
        from tracking.ids import event_id, micros_of

        at = self._at(n)
        id = UUID(bytes=event_id(micros_of(at), b"%d" % n))
        fields = (id, self.sender.application_id, self.id, "pointer", "path", path(n, PATH_SAMPLES))
        return "\t".join(map(str, (*fields, at, at))) + "\n"


class Builder:
    """A process that builds reports as a worker does; it says how long that took."""

    def __init__(self) -> None:
        self.script = Script("bench.building")
        self.pids = [self.script.process.pid]

    def _took(self, what: str, session: Session) -> float:
        self.script.tell(json.dumps([what, str(session.id)]))
        return float(self.script.line())

    def recompute(self, session: Session) -> float:
        return self._took("recompute", session)

    def read(self, session: Session) -> float:
        return self._took("read", session)

    def update(self, session: Session) -> float:
        session.grow(1)
        return self._took("build", session) * 1000

    def memory(self, session: Session) -> float:
        """The most that a recompute takes beside what it has at rest, in MB."""
        forget_peak(self.pids)
        idle = resident_megabytes(self.pids)
        self.recompute(session)
        return peak_megabytes(self.pids) - idle


@contextmanager
def building() -> Iterator[Builder]:
    builder = Builder()
    try:
        yield builder
    finally:
        builder.script.end()
