"""How full the inbox is. Over its cap nothing more is taken, so that a backlog cannot fill the disk."""

import logging
from threading import Event
from time import monotonic, sleep

from django.conf import settings
from django.db import connection

from tracking.api.errors import ApiError
from tracking.background import Background
from tracking.claims import BY_INDEX
from tracking.faults import sqlstate

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10
# How long a look at the inbox is believed. Behind a long transaction elsewhere it passes all the
# entries of deleted batches; the longer it takes, the longer until the next.
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
LOOK_SHARE = 0.05

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
        cursor.execute(BY_INDEX + OLDEST, [FEW])
        batches, size = cursor.fetchone()
        if batches == FEW:
            cursor.execute(ESTIMATE)
            (size,) = cursor.fetchone()
    return int(size)


def check() -> None:
    """Raises `ApiError` while the inbox is over its cap. Asks nobody."""
    if _gauge.is_full():
        raise ApiError("inbox_full", retry_after=RETRY_SECONDS)


def forget() -> None:
    """Drops what this process knows of the inbox."""
    _gauge.full = False
    _gauge.asked.clear()


class Gauge:
    """What this process knows. A thread looks while somebody asks; that it waits holds up nobody."""

    def __init__(self) -> None:
        self.full = False
        self.asked = Event()
        self.background = Background("room", self._look_for_ever)

    def is_full(self) -> bool:
        self.asked.set()
        self.background.ensure()
        return self.full

    def _look_for_ever(self) -> None:
        while True:
            if not self.full:
                self.asked.wait()
            self.asked.clear()
            began = monotonic()
            try:
                self._look()
                pause = (monotonic() - began) / LOOK_SHARE
            except Exception as error:
                logger.warning(
                    "Nobody sees whether the inbox is full: %s, SQLSTATE %s; next look in %.0f s",
                    type(error).__name__,
                    sqlstate(error),
                    LONGEST_PAUSE_SECONDS,
                )
                pause = LONGEST_PAUSE_SECONDS
            sleep(min(max(PAUSE_SECONDS, pause), LONGEST_PAUSE_SECONDS))

    def _look(self) -> None:
        try:
            waiting = bytes_waiting()
        finally:
            connection.close()
        full = waiting >= settings.EYE_INBOX_BYTES
        if full and not self.full:
            logger.error(
                "The inbox holds %s bytes, and EYE_INBOX_BYTES is %s: nothing more is taken until "
                "the workers have digested some",
                f"{waiting:,}",
                f"{settings.EYE_INBOX_BYTES:,}",
            )
        self.full = full


_gauge = Gauge()
