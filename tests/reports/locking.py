"""Locks of another connection, which hold a builder up at a known moment of its work."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.db import connection

# What a build writes, in this order: the first two in one transaction, the last one after it.
MOMENTS = ("reports_sessionreport", "reports_pointersecond", "tracking_session")


class Lock:
    """Held by a connection of its own until it is released, at the latest by the fixture."""

    def __init__(self, sql: str, *args: str) -> None:
        self.connection = connection.copy()
        self.connection.set_autocommit(False)
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args)

    def holds_up(self) -> bool:
        """Whether somebody waits for it."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks "
                "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            (waiting,) = cursor.fetchone()
            return bool(waiting)

    def release(self) -> None:
        self.connection.close()


type Locking = Callable[..., Lock]
NO_WRITING_TO = "LOCK TABLE {} IN SHARE MODE"
NO_BUILDING_OF = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


@pytest.fixture
def locking(transactional_db: None) -> Iterator[Locking]:
    with ExitStack() as locks:

        def lock(sql: str, *args: str) -> Lock:
            taken = Lock(sql, *args)
            locks.callback(taken.release)
            return taken

        yield lock
