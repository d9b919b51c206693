from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils.timezone import now

from tests.cast import Sender, event
from tracking.ids import first_id_at
from tracking.models import Event
from tracking.partitions import MONTHS_AHEAD, ensure_partitions

pytestmark = pytest.mark.django_db(transaction=True)


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::text FROM pg_partition_tree('tracking_event') WHERE isleaf ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def drop(names: set[str]) -> None:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE {name}")


def test_partitions_are_made_ahead_and_once() -> None:
    before = set(partitions())
    later = now() + timedelta(days=400)
    made = ensure_partitions(later)
    try:
        assert ensure_partitions(later) == []
        assert set(partitions()) == before | set(made)
        newest = first_id_at(later + timedelta(days=28 * MONTHS_AHEAD))
        assert partition_of(newest) in made
    finally:
        drop(set(made))


def test_a_long_pause_leaves_no_hole() -> None:
    made = ensure_partitions(now() + timedelta(days=400))
    try:
        months = [datetime.strptime(name, "tracking_event_y%Ym%m") for name in made]
        steps = {(b - a).days for a, b in pairwise(months)}
        assert len(made) > 12
        assert steps <= {28, 29, 30, 31}
    finally:
        drop(set(made))


def test_an_event_lies_in_its_month_and_an_old_one_with_the_old(
    shop: Sender, session: object
) -> None:
    shop.send(
        event(str(session)), event(str(session), timestamp="2021-01-01T00:00:00Z", name="old")
    )
    today = Event.objects.get(name="cta click")
    assert partition_of(today.pk) == today.timestamp.strftime("tracking_event_y%Ym%m")
    assert partition_of(Event.objects.get(name="old").pk) == "tracking_event_old"


def test_each_partition_has_the_indexes_of_the_whole() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text, count(*) FROM pg_index "
            "JOIN pg_inherits ON inhrelid = indrelid "
            "WHERE inhparent = 'tracking_event'::regclass AND indisvalid GROUP BY 1"
        )
        primary_key = 1
        wanted = len(Event._meta.indexes) + primary_key
        assert dict(cursor.fetchall()) == dict.fromkeys(partitions(), wanted)


def partition_of(id: object) -> str:
    """Where PostgreSQL would look for an id."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (COSTS off) SELECT 1 FROM tracking_event WHERE id = %s", [str(id)])
        plan = " ".join(line for (line,) in cursor.fetchall())
    (name,) = {word for word in plan.split() if word in partitions()}
    return name


def test_the_year_turns() -> None:
    december = datetime(now().year + 1, 12, 31, 23, 59, tzinfo=UTC)
    made = ensure_partitions(december)
    try:
        assert made[-1] == f"tracking_event_y{december.year + 1}m03"
    finally:
        drop(set(made))
