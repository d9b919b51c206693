"""Whether it works again: a fresh event, through every web process, until it can be queried."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import Error, connection

from ledger.author import Author
from ledger.courier import Courier

LOOK_SECONDS = 0.05
STORED = "SELECT EXISTS (SELECT FROM tracking_event WHERE id = %s)"


@dataclass
class Probe:
    author: Author
    couriers: Sequence[Courier]

    def recovery(self, since: float, patience: float) -> float | None:
        """Seconds from `since` until an event through each web process was accepted and stored;
        None where that did not happen in `patience` seconds."""
        until = since + patience
        ids = [self._accepted(courier, until) for courier in self.couriers]
        done = all(id is not None and _stored(id, until) for id in ids)
        return time.monotonic() - since if done else None

    def _accepted(self, courier: Courier, until: float) -> UUID | None:
        events = courier.bring(self.author.single(), lambda unsure: time.monotonic() > until)
        return events[0].id if events else None


def _stored(id: UUID, until: float) -> bool:
    while time.monotonic() < until:
        with contextlib.suppress(Error):
            if _there(id):
                return True
        time.sleep(LOOK_SECONDS)
    return False


def _there(id: UUID) -> bool:
    """On a connection of its own, as the database may have been away since the last one."""
    fresh = connection.copy()
    with contextlib.closing(fresh), fresh.cursor() as cursor:
        cursor.execute(STORED, [id])
        return bool(cursor.fetchone()[0])
