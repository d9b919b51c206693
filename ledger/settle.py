"""After the last fault: the inbox empties, reports and rollups catch up, and nobody helps."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, connection

from ledger.crew import Crew

LOOK_SECONDS = 0.2
TELL_SECONDS = 5.0
LEFT = """
SELECT (SELECT count(*) FROM tracking_batch),
       (SELECT count(*) FROM tracking_session WHERE report_revision < revision),
       (SELECT count(*) FROM tracking_tally) + (SELECT count(*) FROM reports_rollupchange)
           + (SELECT count(*) FROM tracking_errorchange)
"""


@dataclass(frozen=True, slots=True)
class Left:
    batches: int
    reports: int
    changes: int

    def __str__(self) -> str:
        return (
            f"{self.batches:,} batches wait, {self.reports:,} reports are behind, "
            f"{self.changes:,} changes are not in the rollups"
        )


def settle(crew: Crew, patience: float, say: Callable[[str], None]) -> bool:
    """Whether nothing was left to do within so many seconds."""
    until = time.monotonic() + patience
    tell_at = time.monotonic()
    while time.monotonic() < until:
        crew.check()
        left = _left()
        if left == Left(0, 0, 0):
            return True
        if left and time.monotonic() >= tell_at:
            say(str(left))
            tell_at = time.monotonic() + TELL_SECONDS
        time.sleep(LOOK_SECONDS)
    return False


def _left() -> Left | None:
    with contextlib.suppress(Error), connection.cursor() as cursor:
        cursor.execute(LEFT)
        return Left(*cursor.fetchone())
    connection.close()
    return None
