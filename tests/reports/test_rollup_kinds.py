"""Rollups count stored events by category and name."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from django.utils.timezone import now

from reports.builder import build_stale
from reports.models import Rollup
from reports.periods import Period, floored
from reports.rollup import roll_up
from reports.rollups import overview
from tests.cast import Sender, event
from tracking.kind_counts import MOST_KINDS, OTHER, KindCounts


def kinds(application: int | None, step: str) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for row in Rollup.objects.filter(application=application, step=step):
        found.update({(category, name): count for category, name, count in KindCounts(row.kinds)})
    return found


def test_kinds_of_events_are_counted_for_their_application_and_for_all(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.send(event(session, name="a"), event(session, name="b"), event(session, name=""))
    roll_up()
    shop.send(event(session, name="a", data={"n": 2}), event(session, name="a", data={"n": 2}))
    stranger.send(event(session, name="a"))
    build_stale()
    roll_up()
    category = event(session)["category"]
    for step in ("minute", "hour", "day"):
        assert kinds(shop.application_id, step) == {(category, "a"): 2, (category, "b"): 1}
        assert kinds(stranger.application_id, step) == {(category, "a"): 1}
        assert kinds(None, step) == {(category, "a"): 3, (category, "b"): 1}


def test_kinds_beyond_measure_are_counted_as_one_and_the_first_ones_stay(
    shop: Sender, session: UUID
) -> None:
    shop.send(event(session, name="first"))
    roll_up()
    for n in range(2):
        shop.send(*[event(session, name=f"kind {n} {m}") for m in range(MOST_KINDS)])
        roll_up()
    shop.send(event(session, name="first", data={"n": 2}))
    roll_up()
    for row in Rollup.objects.filter(step="day"):
        found = {name: count for _, name, count in KindCounts(row.kinds)}
        assert found["first"] == 2
        assert found[OTHER] == MOST_KINDS + 1
        assert len(found) == MOST_KINDS + 1
    end = floored(now()) + timedelta(minutes=1)
    day = Period(end - timedelta(days=1), end)
    seen = overview(None, Period(day.start, day.start), day, [])
    assert seen.kinds.total() == seen.period.stored == 2 * MOST_KINDS + 2
