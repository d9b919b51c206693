"""How full the inbox is. Over its cap nothing more is taken, so that a backlog cannot fill the disk."""

import logging
from threading import Lock
from time import monotonic

from django.conf import settings
from django.db import connection

from tracking.api.errors import ApiError

logger = logging.getLogger(__name__)

# How long a look at the inbox is believed.
BELIEVED_SECONDS = 1.0
RETRY_SECONDS = 10

# So many batches are looked at one by one; more than that are a backlog.
FEW = 2_000
OLDEST = """
SELECT count(*), coalesce(sum(pg_column_size(body)), 0)
  FROM (SELECT body FROM tracking_batch ORDER BY id LIMIT %s) AS batch
"""
# Of a backlog an estimate, from some 500 pages: to count would take the longer, the fuller the inbox
# is, and the size of the file says nothing, since it keeps the room that an earlier backlog took.
ESTIMATE = """
WITH portion AS (
    SELECT least(100, 100 * 4194304.0 / greatest(1, pg_relation_size('tracking_batch'))) AS percent
)
SELECT coalesce(sum(pg_column_size(body)), 0) * 100 / (SELECT percent FROM portion)
  FROM tracking_batch
       TABLESAMPLE SYSTEM (least(100, 100 * 4194304.0
                                      / greatest(1, pg_relation_size('tracking_batch'))))
"""


def bytes_waiting() -> int:
    """The bodies in the inbox as they are stored, a backlog's to some 10 %; a few milliseconds."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST, [FEW])
        batches, size = cursor.fetchone()
        if batches == FEW:
            cursor.execute(ESTIMATE)
            (size,) = cursor.fetchone()
    return int(size)


def check() -> None:
    """Raises `ApiError` while the inbox is over its cap, and the database's errors."""
    if _gauge.is_full():
        raise ApiError("inbox_full", retry_after=RETRY_SECONDS)


def forget() -> None:
    """Drops what this process knows of the inbox."""
    _gauge.look_at = 0.0


class Gauge:
    """What this process knows. One thread looks, the others go by what was seen before."""

    def __init__(self) -> None:
        self.look_at = 0.0
        self.full = False
        self.looking = Lock()

    def is_full(self) -> bool:
        if monotonic() >= self.look_at and self.looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self.looking.release()
        return self.full

    def _look(self) -> None:
        waiting = bytes_waiting()
        full = waiting >= settings.EYE_INBOX_BYTES
        if full and not self.full:
            logger.error(
                "The inbox holds %s bytes, and EYE_INBOX_BYTES is %s: nothing more is taken until "
                "the workers have digested some",
                f"{waiting:,}",
                f"{settings.EYE_INBOX_BYTES:,}",
            )
        self.full = full
        self.look_at = monotonic() + BELIEVED_SECONDS


_gauge = Gauge()
