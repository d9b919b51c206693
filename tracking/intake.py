"""Into the inbox: what was accepted is committed, and on disk, before anyone is told so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from tracking import metrics, room, throttle
from tracking.api.errors import ApiError
from tracking.keys import Caller
from tracking.tasks import bell


@dataclass(frozen=True, slots=True)
class Entry:
    """A body that was checked, on its way into the inbox."""

    caller: Caller
    body: bytes
    encoding: str
    n_events: int
    size: int
    sent_at: datetime | None
    receipt: UUID = field(default_factory=uuid4)


# Whatever the server's own settings are: on disk before the answer, and an answer in time.
PUT = """
SET LOCAL synchronous_commit = on;
SET LOCAL statement_timeout = '2s';
INSERT INTO tracking_batch (receipt, application_id, key_id, received_at, sent_at, encoding,
                            n_events, size, attempts, next_at, body)
SELECT receipt, application_id, key_id, now(), sent_at, encoding, n_events, size, 0, now(), body
  FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[], %s::int[],
              %s::int[], %s::bytea[])
       AS entry(receipt, application_id, key_id, sent_at, encoding, n_events, size, body)
"""


def put(entries: Sequence[Entry]) -> None:
    """Keeps the bodies, all or none. One statement is one commit."""
    columns: list[Any] = [
        [entry.receipt for entry in entries],
        [entry.caller.application_id for entry in entries],
        [entry.caller.key_id for entry in entries],
        [entry.sent_at for entry in entries],
        [entry.encoding for entry in entries],
        [entry.n_events for entry in entries],
        [entry.size for entry in entries],
        [entry.body for entry in entries],
    ]
    with connection.cursor() as cursor:
        cursor.execute(PUT, columns)


def keep(entries: Sequence[Entry]) -> list[ApiError | None]:
    """Puts all that may come in into the inbox; for each entry, why it may not.

    Raises `ApiError` where there is room for none, and the database's errors.
    """
    room.check()
    refusals = throttle.take_all([(entry.caller, entry.n_events) for entry in entries])
    admitted = [entry for entry, refusal in zip(entries, refusals, strict=True) if refusal is None]
    if admitted:
        put(admitted)
        for publishable in (False, True):
            events = [e.n_events for e in admitted if e.caller.publishable is publishable]
            metrics.accepted(publishable, sum(events))
        bell.ring()
    return refusals
