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


def keep(entry: Entry) -> None:
    """Puts one into the inbox. Raises `ApiError` where it may not come in, and database errors."""
    if refusal := admit([entry])[0]:
        raise refusal
    put([entry])


def admit(entries: Sequence[Entry]) -> list[ApiError | None]:
    """Counts the events of all that may come in; for each entry, why it may not."""
    try:
        room.check()
    except ApiError as full:
        return [full] * len(entries)
    return throttle.take_all([(entry.caller, entry.n_events) for entry in entries])


def put(entries: Sequence[Entry]) -> None:
    """Keeps the bodies, all or none, and has the workers told. One statement is one commit."""
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
    for publishable in (False, True):
        events = [each.n_events for each in entries if each.caller.publishable is publishable]
        metrics.accepted(publishable, sum(events))
    bell.ring()
