"""The inbox: batches go in with one INSERT, are claimed, and leave digested or set aside."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils.timezone import now

from tracking.keys import Caller
from tracking.models import Batch, Receipt, SetAsideBatch

CLAIM_BATCHES = 500
CLAIM_EVENTS = 5_000
CLAIM_BYTES = 16 * 1024 * 1024
# From its third attempt on a batch is digested alone; after the eighth it is set aside.
ALONE_AFTER = 2
MAX_ATTEMPTS = 8
UNKNOWN_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Claimed:
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


# Whatever the server's own settings are: on disk before the answer, and an answer in time.
PUT = """
SET LOCAL synchronous_commit = on;
SET LOCAL statement_timeout = '2s';
INSERT INTO tracking_batch (receipt, application_id, key_id, received_at, sent_at, encoding,
                            n_events, size, attempts, next_at, body)
VALUES (%s, %s, %s, now(), %s, %s, %s, %s, 0, now(), %s)
"""


def put(
    caller: Caller,
    body: bytes,
    encoding: str,
    n_events: int,
    size: int,
    sent_at: datetime | None,
) -> UUID:
    """Keeps a body; when this returns it is on disk. The answer is its receipt."""
    receipt = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            PUT,
            [
                receipt,
                caller.application_id,
                caller.key_id,
                sent_at,
                encoding,
                n_events,
                size,
                body,
            ],
        )
    return receipt


CLAIM = """
WITH candidates AS (
    SELECT id, n_events, attempts, size
      FROM tracking_batch
     WHERE next_at <= now() AND received_at <= now() - make_interval(secs => %(min_age)s)
     ORDER BY id LIMIT %(batches)s
       FOR UPDATE SKIP LOCKED
), counted AS (
    SELECT id, attempts,
           row_number() OVER w AS place,
           sum(n_events) OVER w AS events,
           sum(size) OVER w AS bytes,
           max(attempts) OVER w AS most_attempts
      FROM candidates
    WINDOW w AS (ORDER BY id ROWS UNBOUNDED PRECEDING)
)
UPDATE tracking_batch AS batch
   SET attempts = batch.attempts + 1,
       next_at = now() + interval '2 seconds' * power(2, least(batch.attempts, 7))
  FROM counted
 WHERE batch.id = counted.id
   AND (place = 1 OR (events <= %(events)s AND bytes <= %(bytes)s AND most_attempts < %(alone)s))
RETURNING batch.id, receipt, application_id, received_at, sent_at, encoding, n_events,
          batch.attempts, body
"""


def claim(min_age: timedelta = timedelta(0)) -> list[Claimed]:
    """The oldest waiting batches, each charged one attempt in this statement's own commit.

    The charge comes before the work, so that a batch that kills its worker is counted. A worker
    that died leaves its batches to the next after 2 s, then 4, 8 …
    """
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "min_age": min_age.total_seconds(),
                "batches": CLAIM_BATCHES,
                "events": CLAIM_EVENTS,
                "bytes": CLAIM_BYTES,
                "alone": ALONE_AFTER,
            },
        )
        rows = cursor.fetchall()
    claimed = (Claimed(*row) for row in rows)
    return sorted(claimed, key=lambda batch: batch.id)


def fence(batches: list[Claimed]) -> set[int]:
    """Locks the batches that are still this worker's, in the running transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM tracking_batch JOIN unnest(%s::bigint[], %s::smallint[]) "
            "AS mine(id, attempts) USING (id, attempts) ORDER BY id "
            "FOR UPDATE OF tracking_batch SKIP LOCKED",
            [[batch.id for batch in batches], [batch.attempts for batch in batches]],
        )
        return {id for (id,) in cursor.fetchall()}


def remove(ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tracking_batch WHERE id = ANY(%s)", [ids])


def give_back(batches: list[Claimed]) -> None:
    """Takes the charge back: what failed was not these batches' fault."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tracking_batch SET attempts = tracking_batch.attempts - 1, "
            "next_at = now() + interval '0.5 seconds' * (1 + random()) "
            "FROM unnest(%s::bigint[], %s::smallint[]) AS mine(id, attempts) "
            "WHERE tracking_batch.id = mine.id AND tracking_batch.attempts = mine.attempts",
            [[batch.id for batch in batches], [batch.attempts for batch in batches]],
        )


def set_aside(batch: Claimed, reason: str) -> None:
    """Takes a batch out of the line, with its body and the reason, and says so in its receipt."""
    with transaction.atomic():
        if batch.id not in fence([batch]):
            return
        kept = Batch.objects.get(pk=batch.id)
        columns = {name: getattr(kept, name) for name in KEPT_COLUMNS}
        SetAsideBatch.objects.create(reason=reason, **columns)
        Receipt.objects.create(
            id=batch.receipt,
            application_id=batch.application_id,
            state=Receipt.State.SET_ASIDE,
            received_at=batch.received_at,
            digested_at=now(),
            events=batch.n_events,
        )
        kept.delete()


def replay(set_aside_ids: list[int]) -> int:
    """Puts set-aside batches back in the line, under the receipts they had; how many it was."""
    with transaction.atomic():
        kept = list(SetAsideBatch.objects.select_for_update().filter(pk__in=set_aside_ids))
        for row in kept:
            columns = {name: getattr(row, name) for name in KEPT_COLUMNS}
            Batch.objects.create(next_at=now(), **{**columns, "attempts": 0})
        Receipt.objects.filter(pk__in=[row.receipt for row in kept]).delete()
        SetAsideBatch.objects.filter(pk__in=[row.pk for row in kept]).delete()
    return len(kept)


KEPT_COLUMNS = (
    "receipt",
    "application_id",
    "key_id",
    "received_at",
    "sent_at",
    "encoding",
    "n_events",
    "size",
    "attempts",
    "body",
)
