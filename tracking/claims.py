"""Who digests which batches: the oldest first; in a backlog, equal shares for all applications.

A claim charges its batches one attempt and hides them from the other workers for some seconds, in
one statement with a commit of its own. Whoever stores them takes them out of the inbox in the
transaction that stores; if somebody else was charged meanwhile, there is nothing left to take.
"""

from datetime import datetime, timedelta
from threading import local
from time import monotonic
from uuid import UUID

import msgspec
from django.db import connection

from tracking.arrays import numbers

MAX_BATCHES = 5_000
# A claim locks what it might take, and another worker sees nothing of that meanwhile. So it looks
# at twice as many batches as the last one took, and at so many at least.
MIN_BATCHES = 200
MIN_BATCHES_EACH = 50
MAX_EVENTS = 10_000
MAX_BYTES = 8 * 1024 * 1024
# Of the applications that wait, so many have their turn in one claim.
MAX_APPLICATIONS = 100
# From its third attempt on a batch is digested alone; after the eighth it is set aside.
ALONE_AFTER = 2
MAX_ATTEMPTS = 8
UNKNOWN_ATTEMPTS = 5


class Claimed(msgspec.Struct, frozen=True):
    """A batch this worker may digest, until someone else has been charged a later attempt."""

    id: int
    receipt: UUID
    application_id: int
    received_at: datetime
    sent_at: datetime | None
    encoding: str
    n_events: int
    attempts: int
    body: memoryview


# The statistics of a table that is empty at one moment and has a million rows at the next mislead
# the planner: it would read the whole table, and sort it.
BY_INDEX = """
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
SET LOCAL jit = off;
"""

WAITING = """
    SELECT id, application_id, n_events, size, attempts
      FROM tracking_batch
     WHERE next_at <= now() AND received_at <= now() - make_interval(secs => %(min_age)s)
"""
COUNTED = """
    SELECT id, application_id, row_number() OVER line AS place, sum(n_events) OVER line AS events,
           sum(size) OVER line AS bytes, max(attempts) OVER line AS most_attempts
"""
# By an array, not by a join, which might begin at the wrong end.
CHARGE = """
, chosen AS (
    SELECT * FROM counted
     WHERE place = 1
        OR events <= %(events)s AND bytes <= %(bytes)s AND most_attempts < %(alone)s
)
UPDATE tracking_batch
   SET attempts = attempts + 1,
       next_at = now() + interval '2 seconds' * power(2, least(attempts, 7))
 WHERE id = ANY(ARRAY(SELECT id FROM chosen))
RETURNING id, receipt, application_id, received_at, sent_at, encoding, n_events, attempts, body,
          (SELECT count(*) FROM counted) > (SELECT count(*) FROM chosen) OR
          EXISTS (SELECT FROM at_limit),
          (SELECT application_id FROM chosen ORDER BY place DESC LIMIT 1)
"""
OLDEST = f"""
WITH candidates AS (
    {WAITING} AND id >= %(low)s ORDER BY id LIMIT %(batches)s FOR UPDATE SKIP LOCKED
), counted AS (
    {COUNTED} FROM candidates WINDOW line AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
), at_limit AS (
    SELECT FROM candidates HAVING count(*) = %(batches)s
)
{CHARGE}
"""
# The next application that waits, after this one and round in a circle: one leap in the index
# batch_application. What is asked for is `id + 0`, of which the primary key knows nothing; nor does
# that index know of `id`. So the planner has no choice.
NEXT = """
    coalesce((SELECT application_id FROM tracking_batch
               WHERE application_id > {0} AND id + 0 >= %(low)s ORDER BY application_id LIMIT 1),
             (SELECT application_id FROM tracking_batch
               WHERE id + 0 >= %(low)s ORDER BY application_id LIMIT 1))
"""
# A batch's place in the line is what its application gets before it: so all get the same, and
# what one does not need is for the others.
FAIR = f"""
WITH RECURSIVE turns(application_id, first, turn) AS (
    SELECT id, id, 1 FROM (SELECT {NEXT.format("%(served)s")}) AS next(id) WHERE id IS NOT NULL
     UNION ALL
    SELECT next.id, first, turn + 1
      FROM turns, LATERAL (SELECT {NEXT.format("turns.application_id")}) AS next(id)
     WHERE next.id <> first AND turn < %(applications)s
), share(batches) AS (
    SELECT greatest(%(batches)s / count(*), %(each)s) FROM turns
), candidates AS (
    SELECT waiting.*, turn, sum(n_events) OVER own - n_events AS before
      FROM turns, LATERAL (
        {WAITING} AND application_id = turns.application_id AND id + 0 >= %(low)s
         ORDER BY id + 0 LIMIT (SELECT batches FROM share) FOR UPDATE SKIP LOCKED
      ) AS waiting
    WINDOW own AS (PARTITION BY turn ORDER BY id ROWS UNBOUNDED PRECEDING)
), counted AS (
    {COUNTED} FROM candidates WINDOW line AS (ORDER BY before, turn ROWS UNBOUNDED PRECEDING)
), at_limit AS (
    SELECT FROM candidates GROUP BY turn HAVING count(*) = (SELECT batches FROM share)
)
{CHARGE}
"""


# The first batch in the inbox, whether or not it is to be had now.
FIRST = "SELECT id FROM tracking_batch WHERE id >= %(low)s ORDER BY id LIMIT 1"
# Behind a long transaction elsewhere, the entries of deleted batches stay in the index, and a walk
# from its beginning passes them all. So claims begin where the line began at the look before the
# last: whoever had drawn a smaller id then has committed meanwhile. Who took still longer is found
# by a look back to the beginning: now and then, and where nothing else is to be had. That takes a
# small part of the time, however many entries there are.
LOOK_SECONDS = 2.0
LOOK_BACK_SECONDS = 10.0
LOOK_BACK_SHARE = 0.05


class Line(local):
    """What a thread knows of the line of batches: where it begins, and whose turn it is."""

    def __init__(self) -> None:
        self.low = 0  # claims begin at this id
        self.first = 0  # at the last look, no smaller id was in the inbox
        self.last = 0  # the largest id that was claimed here
        self.look_at = self.look_back_at = self.may_look_back_at = 0.0
        self.batches = MIN_BATCHES
        self.backlog = False
        self.served = 0  # the application at which the last claim ended

    def claim(self, min_age: timedelta) -> list[Claimed]:
        moment = monotonic()
        if moment >= self.look_back_at:
            self._look_back()
        elif moment >= self.look_at:
            self._look(self.low)
        claimed = self._claim(min_age)
        if not claimed and moment >= self.may_look_back_at:
            self._look_back()
            claimed = self._claim(min_age)
        return claimed

    def _claim(self, min_age: timedelta) -> list[Claimed]:
        parameters = {
            "low": self.low,
            "min_age": min_age.total_seconds(),
            "served": self.served,
            "applications": MAX_APPLICATIONS,
            "batches": self.batches,
            "each": MIN_BATCHES_EACH,
            "events": MAX_EVENTS,
            "bytes": MAX_BYTES,
            "alone": ALONE_AFTER,
        }
        with connection.cursor() as cursor:
            cursor.execute(BY_INDEX + (FAIR if self.backlog else OLDEST), parameters)
            rows = sorted(cursor.fetchall())
        self.backlog = False
        if rows:
            # Where there was more than a claim may take, the next one shares it out.
            *_, self.backlog, self.served = rows[-1]
            self.last = max(self.last, rows[-1][0])
            self.batches = min(max(MIN_BATCHES, 2 * len(rows)), MAX_BATCHES)
        return [Claimed(*columns) for *columns, _, _ in rows]

    def _look_back(self) -> None:
        began = monotonic()
        self._look(0)
        ended = monotonic()
        self.look_back_at = ended + LOOK_BACK_SECONDS
        self.may_look_back_at = ended + (ended - began) / LOOK_BACK_SHARE

    def _look(self, low: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(BY_INDEX + FIRST, {"low": low})
            found = cursor.fetchone()
        first = found[0] if found else max(self.first, self.last + 1)
        if (moment := monotonic()) >= self.look_at:
            self.look_at = moment + LOOK_SECONDS
            self.low, self.first = min(self.first, first), first
        else:
            self.low, self.first = min(self.low, first), min(self.first, first)


_line = Line()


def claim(min_age: timedelta = timedelta(0)) -> list[Claimed]:
    """Waiting batches at least so old, each charged one attempt in a commit of its own.

    The charge comes before the work, so that a batch that kills its worker is counted. A worker
    that died leaves its batches to the next after 2 s, then 4, 8 …
    """
    return _line.claim(min_age)


def backlog() -> bool:
    """Whether more was waiting, at the last claim, than one may take."""
    return _line.backlog


def forget() -> None:
    """Drops what is known of the line."""
    global _line
    _line = Line()


# By an array, for the same reason; and then only where nobody else has been charged since.
MINE = """
    id = ANY(%(ids)s::bigint[]) AND ((id, attempts) IN (
        SELECT * FROM unnest(%(ids)s::bigint[], %(attempts)s::smallint[]))) IS TRUE
"""
TAKE = f"DELETE FROM tracking_batch WHERE {MINE} RETURNING id"
GIVE_BACK = f"""
UPDATE tracking_batch
   SET attempts = attempts - 1, next_at = now() + interval '0.5 seconds' * (1 + random())
 WHERE {MINE}
"""


def take(batches: list[Claimed]) -> set[int]:
    """Takes those out of the inbox that are still this worker's, in the running transaction.

    It waits for nobody: what is still this worker's, nobody else is taking.
    """
    with connection.cursor() as cursor:
        cursor.execute(BY_INDEX + TAKE, _ids_and_attempts(batches))
        return {id for (id,) in cursor.fetchall()}


def give_back(batches: list[Claimed]) -> None:
    """Takes the charge back: what failed was not these batches' fault."""
    with connection.cursor() as cursor:
        cursor.execute(BY_INDEX + GIVE_BACK, _ids_and_attempts(batches))


def _ids_and_attempts(batches: list[Claimed]) -> dict[str, str]:
    return {
        "ids": numbers(batch.id for batch in batches),
        "attempts": numbers(batch.attempts for batch in batches),
    }
