from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.utils.timezone import now

from tests.cast import Sender, elsewhere, event
from tracking.digest import digest_until_empty
from tracking.ids import first_id_at
from tracking.models import Event, Receipt
from tracking.partitions import (
    MONTHS_AHEAD,
    detach_past,
    detached,
    ensure_partitions,
    next_sessions,
)

pytestmark = pytest.mark.django_db(transaction=True)


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::text FROM pg_partition_tree('tracking_event') WHERE isleaf ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def drop(names: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE {name}")


@pytest.fixture
def later(transactional_db: None) -> Iterator[datetime]:
    """A year from now, with partitions up to then; afterwards they are again those of today."""
    moment = now() + timedelta(days=365)
    ensure_partitions(moment)
    yield moment
    drop([*partitions(), *detached()])
    ensure_partitions(now())


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
    primary_key = 1
    assert indexes() == dict.fromkeys(partitions(), len(Event._meta.indexes) + primary_key)


def indexes() -> dict[str, int]:
    """How many indexes each partition has that are parts of those of the whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indrelid::regclass::text, count(*) FROM pg_index "
            "JOIN pg_inherits AS of_table ON of_table.inhrelid = indrelid "
            "JOIN pg_inherits AS of_index ON of_index.inhrelid = indexrelid "
            "WHERE of_table.inhparent = 'tracking_event'::regclass AND indisvalid GROUP BY 1"
        )
        return dict(cursor.fetchall())


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


def test_nothing_but_the_end_of_the_last_one_says_where_to_go_on() -> None:
    """Whatever somebody called a partition that they attached by hand."""
    by_hand = now() + timedelta(days=31 * (MONTHS_AHEAD + 2))
    made = ensure_partitions(by_hand)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {made[-1]} RENAME TO tracking_event_mine")
        made[-1] = "tracking_event_mine"
        made += ensure_partitions(by_hand + timedelta(days=31))
        assert len(made) == len({*made})
        assert len(ensure_partitions(by_hand + timedelta(days=31))) == 0
    finally:
        drop(made)


class TestDetaching:
    def test_past_months_become_tables_and_old_time_reaches_to_their_end(
        self, later: datetime
    ) -> None:
        months = partitions()[1:]
        tables = detach_past(later - timedelta(days=40))
        assert detached() == sorted(tables)
        assert len(tables) in {11, 12}
        assert partitions() == ["tracking_event_old", *months[len(tables) - 1 :]]
        assert partition_of(first_id_at(now())) == "tracking_event_old"

    def test_events_go_with_their_month(self, shop: Sender, session: UUID, later: datetime) -> None:
        shop.send(event(session), event(session, timestamp="2021-01-01T00:00:00Z"))
        tables = detach_past(later)
        assert not Event.objects.exists()
        assert {id for table in tables for id in next_sessions(table, 10)} == {session}

    def test_a_month_stays_to_its_very_end(self, later: datetime) -> None:
        end = datetime(later.year, later.month, 1, tzinfo=UTC)
        last_month = f"tracking_event_y{end - timedelta(days=1):%Ym%m}"
        detach_past(end - timedelta(microseconds=1))
        assert last_month in partitions()
        drop(detached())
        detach_past(end)
        assert last_month not in partitions()

    def test_old_time_alone_goes_where_it_holds_something(
        self, shop: Sender, session: UUID, later: datetime
    ) -> None:
        drop(detach_past(later))
        assert detach_past(later) == []
        shop.send(event(session))
        assert len(detach_past(later)) == 1
        assert partition_of(first_id_at(now())) == "tracking_event_old"

    def test_what_is_made_next_leaves_no_hole_and_makes_nothing_twice(
        self, later: datetime
    ) -> None:
        months = partitions()
        detach_past(later + timedelta(days=365))
        assert partitions() == ["tracking_event_old"]
        much_later = later + timedelta(days=180)
        made = ensure_partitions(much_later)
        assert not {*made} & {*months}
        for days in range(0, 270, 10):
            assert partition_of(first_id_at(later + timedelta(days=days)))

    def test_a_batch_that_waited_all_the_time_still_finds_a_partition(
        self, shop: Sender, session: UUID, later: datetime
    ) -> None:
        receipt = shop.post([event(session), event(session, timestamp="2021-01-01T00:00:00Z")])
        detach_past(later)
        digest_until_empty()
        assert Receipt.objects.get(pk=receipt.json()["receipt"]).stored == 2

    def test_the_new_one_for_old_time_has_all_indexes(self, later: datetime) -> None:
        detach_past(later)
        assert {*indexes().values()} == {len(Event._meta.indexes) + 1}

    def test_who_reads_on_and_on_is_left_alone_and_holds_nobody_up(
        self, shop: Sender, session: UUID, later: datetime
    ) -> None:
        with transaction.atomic():
            assert not Event.objects.exists()  # and the table is locked to the end of this
            with ThreadPoolExecutor(1) as other:
                with pytest.raises(OperationalError, match="lock timeout"):
                    other.submit(elsewhere, detach_past, later).result()
                assert other.submit(elsewhere, shop.send, event(session)).result().stored == 1
            assert Event.objects.exists()
        assert "tracking_event_next_old" not in partitions()
