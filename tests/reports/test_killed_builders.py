"""Builders that are killed at every moment of their work."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from reports import builder, tasks
from tests.cast import Sender
from tests.processes import Process
from tests.reports.locking import MOMENTS, NO_BUILDING_OF, NO_WRITING_TO, Locking, locking
from tests.reports.test_builder import numbers, strokes
from tests.waiting import until
from tracking.models import Session

__all__ = ["locking"]

pytestmark = pytest.mark.django_db(transaction=True)


def all_are_idle() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        (busy,) = cursor.fetchone()
        return not busy


def built(session: UUID) -> dict[str, Any]:
    """Here, or by a worker that is at it."""
    until(lambda: builder.build_stale() and not Session.objects.get(pk=session).stale)
    return numbers(session)


@pytest.mark.parametrize("start", [6, 0], ids=["going on", "anew"])
@pytest.mark.parametrize("table", MOMENTS)
def test_a_builder_that_is_killed_leaves_nothing_half_written(
    shop: Sender, session: UUID, worker: Process, locking: Locking, table: str, start: int
) -> None:
    shop.send(*strokes(session, 3, start=3))
    before = built(session)

    not_yet = locking(NO_BUILDING_OF, str(session))
    shop.send(*strokes(session, 3, start=start))
    until(lambda: Session.objects.get(pk=session).event_count == 6)
    lock = locking(NO_WRITING_TO.format(table))
    not_yet.release()
    until(lambda: tasks.build_stale.delay() and lock.holds_up())
    worker.kill()
    lock.release()
    until(all_are_idle)

    left = numbers(session)
    assert Session.objects.get(pk=session).stale or table == "tracking_session"
    after = built(session)
    assert (before["samples"], after["samples"]) == (180, 360)
    assert left == (after if table == "tracking_session" else before)
    builder.recompute(session)
    assert numbers(session) == after
    worker.start()
