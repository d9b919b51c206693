"""Which batches a claim takes: the oldest, fair shares of a backlog, and none forgotten."""

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from tests.cast import Sender, elsewhere, event, sender
from tracking import claims, digest
from tracking.claims import Claimed, Line
from tracking.models import Batch, Event

BODY = json.dumps(event("6f9619ff-8b86-4011-b42d-00c04fc964ff")).encode()
# More than one claim looks at.
MANY = 3 * claims.MIN_BATCHES


def waiting(who: Sender, *sizes: int, **columns: Any) -> list[int]:
    """Puts batches of so many events each in the line; their ids."""
    moment = now()
    more = {"received_at": moment, "next_at": moment, "size": len(BODY), "body": BODY} | columns
    rows = [
        Batch(application_id=who.application_id, receipt=uuid4(), n_events=events, **more)
        for events in sizes
    ]
    return [batch.pk for batch in Batch.objects.bulk_create(rows)]


def ids(claimed: list[Claimed]) -> list[int]:
    return [batch.id for batch in claimed]


def shares(claimed: list[Claimed]) -> Counter[int]:
    """How many events of each application."""
    counts: Counter[int] = Counter()
    for batch in claimed:
        counts[batch.application_id] += batch.n_events
    return counts


def claim_in_backlog() -> list[Claimed]:
    """What the first claim that knows of the backlog takes."""
    assert claims.claim()
    assert claims.backlog()
    return claims.claim()


def test_a_batch_is_claimed_by_one_worker_at_a_time(shop: Sender, session: UUID) -> None:
    shop.post(event(session))
    (mine,) = claims.claim()
    assert claims.claim() == []
    assert (mine.attempts, Batch.objects.get().attempts) == (1, 1)


def test_a_claim_is_bounded_by_events(shop: Sender) -> None:
    waiting(shop, *[1_000] * 12)
    assert [batch.n_events for batch in claims.claim()] == [1_000] * 10


def test_a_claim_is_bounded_by_unpacked_bytes(shop: Sender, session: UUID) -> None:
    large = [event(session, name=str(n), data={"x": "y" * 60_000}) for n in range(60)]
    packed = gzip.compress(json.dumps(large).encode())
    for _ in range(8):
        assert shop.post(packed, headers={"Content-Encoding": "gzip"}).status_code == 202
    assert [len(claims.claim()) for _ in range(5)] == [2, 2, 2, 2, 0]


def test_what_is_larger_than_a_claim_may_be_goes_alone(shop: Sender) -> None:
    large, *others = waiting(shop, 1, 1, 1, size=2 * claims.MAX_BYTES)
    Batch.objects.filter(pk__in=others).update(size=100)
    assert ids(claims.claim()) == [large]
    assert ids(claims.claim()) == others


def test_a_batch_that_failed_twice_goes_alone(shop: Sender) -> None:
    first, suspect, last = waiting(shop, 1, 1, 1)
    Batch.objects.filter(pk=suspect).update(attempts=claims.ALONE_AFTER)
    assert [ids(claims.claim()) for _ in range(4)] == [[first], [suspect], [last], []]


def test_what_is_too_young_waits(shop: Sender) -> None:
    (old,) = waiting(shop, 1, received_at=now() - timedelta(seconds=10))
    (young,) = waiting(shop, 1)
    assert ids(claims.claim(timedelta(seconds=5))) == [old]
    assert ids(claims.claim()) == [young]


def test_claims_grow_with_the_backlog(shop: Sender) -> None:
    """Two workers could not share a backlog of which one has locked all."""
    waiting(shop, *[1] * MANY)
    assert [len(claims.claim()) for _ in range(3)] == [MANY // 3, 2 * MANY // 3, 0]


def test_a_little_more_than_before_is_no_backlog(shop: Sender) -> None:
    for batches in (120, 150, 180):
        waiting(shop, *[1] * batches)
        assert len(claims.claim()) == batches
        assert not claims.backlog()


def test_two_workers_share_a_backlog(shop: Sender) -> None:
    batches = waiting(shop, *[1] * MANY)
    mine, other = Line(), Line()
    taken = [ids(line.claim(timedelta(0))) for line in (mine, other, mine, other)]
    assert sorted(id for some in taken for id in some) == batches
    assert all(taken[:3])


class TestFairness:
    def test_a_small_application_does_not_wait_for_a_large_ones_backlog(
        self, shop: Sender, stranger: Sender
    ) -> None:
        waiting(shop, *[1] * MANY)
        small = waiting(stranger, 1, 1)
        assert not set(small) & set(ids(claims.claim()))
        assert set(small) < set(ids(claims.claim()))

    def test_nor_does_it_for_few_large_batches(self, shop: Sender, stranger: Sender) -> None:
        waiting(shop, *[1_000] * 30)
        small = waiting(stranger, 1, 1)
        assert set(small) < set(ids(claim_in_backlog()))

    def test_two_backlogs_get_the_same_number_of_events(
        self, shop: Sender, stranger: Sender
    ) -> None:
        waiting(shop, *[1_000] * 30)
        waiting(stranger, *[100] * 100)
        assert shares(claim_in_backlog()) == {
            shop.application_id: 5_000,
            stranger.application_id: 5_000,
        }

    def test_what_one_does_not_need_is_for_the_others(self, shop: Sender, stranger: Sender) -> None:
        waiting(shop, *[1_000] * 30)
        waiting(stranger, 500)
        assert shares(claim_in_backlog()) == {
            shop.application_id: 9_000,
            stranger.application_id: 500,
        }

    def test_each_application_gets_its_oldest_first(self, shop: Sender, stranger: Sender) -> None:
        mine, theirs = waiting(shop, *[1_000] * 30), waiting(stranger, *[1_000] * 30)
        assert ids(claims.claim()) == mine[:10]
        assert set(ids(claims.claim())) == {*mine[10:15], *theirs[:5]}
        assert set(ids(claims.claim())) == {*mine[15:20], *theirs[5:10]}

    def test_those_whom_one_claim_has_no_room_for_are_the_first_of_the_next(
        self, shop: Sender
    ) -> None:
        many = [sender(f"application {n}") for n in range(25)]
        for each in many:
            waiting(each, *[1_000] * 4)
        claims.claim()
        unserved = Batch.objects.filter(attempts=0)
        everyone = set(unserved.values_list("application_id", flat=True))
        served = [set(shares(claims.claim())) for _ in range(5)]
        assert [len(applications) for applications in served] == [10] * 5
        assert set.union(*served[:3]) == set.union(*served[2:]) == everyone

    def test_a_suspect_has_its_turn_alone(self, shop: Sender, stranger: Sender) -> None:
        waiting(shop, *[1] * MANY)
        (suspect,) = waiting(stranger, 1, attempts=claims.ALONE_AFTER)
        taken = [ids(claims.claim()) for _ in range(4)]
        assert [suspect] in taken
        assert all(taken)

    def test_it_lasts_while_one_application_has_more_than_its_share(
        self, shop: Sender, stranger: Sender
    ) -> None:
        waiting(shop, *[1] * MANY)
        waiting(stranger, 1)
        claim_in_backlog()
        assert claims.backlog()
        claims.claim()
        assert not claims.backlog()

    def test_without_a_backlog_the_oldest_are_taken_again(
        self, shop: Sender, stranger: Sender
    ) -> None:
        waiting(shop, *[1] * MANY)
        while claims.claim():
            pass
        assert not claims.backlog()
        last = waiting(stranger, 1) + waiting(shop, 1)
        assert ids(claims.claim()) == last

    def test_it_holds_while_others_are_claiming(self, shop: Sender, stranger: Sender) -> None:
        """What another worker has claimed stands in the line, and is nobody's turn."""
        waiting(shop, *[1] * MANY)
        other = Line()
        other.claim(timedelta(0))
        small = waiting(stranger, 1)
        assert set(small) < set(ids(claim_in_backlog()))


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(claims, "monotonic", clock)
    return clock


@contextmanager
def drawn_before(who: Sender) -> Iterator[threading.Event]:
    """A batch whose id is drawn at the beginning, and which is committed when the event is set."""
    drawn, commit = threading.Event(), threading.Event()

    def put() -> None:
        with transaction.atomic():
            waiting(who, 1)
            drawn.set()
            assert commit.wait(20)

    with ThreadPoolExecutor(1) as other:
        putting = other.submit(elsewhere, put)
        assert drawn.wait(20)
        yield commit
        commit.set()
        putting.result()


class TestWhereTheLineBegins:
    def digest(self, who: Sender, clock: Clock) -> None:
        """A batch comes and goes, and some time passes."""
        waiting(who, 1)
        assert digest.digest_until_empty()["batches"] == 1
        clock.wait(claims.LOOK_SECONDS)

    def test_it_moves_on_with_what_was_digested(self, shop: Sender, clock: Clock) -> None:
        for _ in range(3):
            self.digest(shop, clock)
        (last,) = waiting(shop, 1)
        line = claims._line
        assert last - 2 <= line.low <= last
        assert ids(claims.claim()) == [last]

    def test_a_batch_that_waits_for_its_next_attempt_is_not_passed(
        self, shop: Sender, clock: Clock
    ) -> None:
        (failed,) = waiting(shop, 1, next_at=now() + timedelta(hours=1), attempts=1)
        for _ in range(5):
            self.digest(shop, clock)
        Batch.objects.update(next_at=now())
        assert ids(claims.claim()) == [failed]

    def test_nor_is_one_whose_worker_died(self, shop: Sender, clock: Clock) -> None:
        (lost,) = waiting(shop, 1)
        assert ids(Line().claim(timedelta(0))) == [lost]
        for _ in range(5):
            self.digest(shop, clock)
        Batch.objects.update(next_at=now())
        assert ids(claims.claim()) == [lost]

    def test_a_batch_committed_after_larger_ids_is_found_at_once(
        self, shop: Sender, clock: Clock
    ) -> None:
        for _ in range(3):
            self.digest(shop, clock)
        with drawn_before(shop) as commit:
            waiting(shop, *[1_000] * 100)  # an empty line would be looked through anyway
            assert claims.claim()
            commit.set()
        clock.wait(claims.LOOK_SECONDS)
        assert Batch.objects.earliest("pk").pk in ids(claims.claim())

    def test_one_that_took_far_longer_is_found_by_the_next_look_back(
        self, shop: Sender, clock: Clock
    ) -> None:
        with drawn_before(shop) as commit:
            for _ in range(4):
                self.digest(shop, clock)
            waiting(shop, *[1_000] * 100)
            claims.claim()
            commit.set()
        first = Batch.objects.earliest("pk").pk
        assert first < claims._line.low
        clock.wait(claims.LOOK_BACK_SECONDS)
        assert first in ids(claims.claim()) + ids(claims.claim())

    def test_or_when_nothing_else_is_to_be_had(self, shop: Sender, clock: Clock) -> None:
        with drawn_before(shop) as commit:
            for _ in range(4):
                self.digest(shop, clock)
            commit.set()
        assert Batch.objects.get().pk < claims._line.low
        clock.wait(0.1)
        assert ids(claims.claim()) == [Batch.objects.get().pk]

    def test_ids_that_begin_anew_are_found(self, shop: Sender, clock: Clock) -> None:
        """As after the inbox was emptied by hand, or restored."""
        for _ in range(3):
            self.digest(shop, clock)
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE tracking_batch RESTART IDENTITY")
        assert waiting(shop, 1) == [1]
        assert ids(claims.claim()) == [1]

    def test_fair_claims_begin_there_too(
        self, shop: Sender, stranger: Sender, clock: Clock
    ) -> None:
        for _ in range(3):
            self.digest(shop, clock)
        waiting(shop, *[1] * MANY)
        small = waiting(stranger, 1)
        claims.claim()
        claims._line.low = small[0] + 1
        assert small[0] not in ids(claims.claim())


def plans(cursor: Any, query: str) -> list[dict[str, Any]]:
    """The nodes of a claim's plan that read the inbox."""
    parameters = {"low": 0, "min_age": 0, "served": 0, "applications": 100, "batches": 200}
    parameters |= {"each": 50, "events": 10_000, "bytes": 10**7, "alone": 2}
    cursor.execute(claims.BY_INDEX + "EXPLAIN (FORMAT JSON) " + query, parameters)
    return list(readers(cursor.fetchone()[0][0]["Plan"]))


def readers(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node.get("Relation Name") == "tracking_batch" and node["Node Type"] != "ModifyTable":
        yield node
    for inner in node.get("Plans", []):
        yield from readers(inner)


@pytest.mark.parametrize("analyzed", ["never", "while it was empty", "full"])
def test_a_claim_reads_by_the_right_index_whatever_the_planner_expects(
    shop: Sender, stranger: Sender, analyzed: str
) -> None:
    with connection.cursor() as cursor:
        if analyzed == "while it was empty":
            cursor.execute("VACUUM ANALYZE tracking_batch")
        waiting(shop, *[1] * 3_000)
        waiting(stranger, 1)
        if analyzed == "full":
            cursor.execute("VACUUM ANALYZE tracking_batch")
        oldest, fair = plans(cursor, claims.OLDEST), plans(cursor, claims.FAIR)
    assert {node["Index Name"] for node in oldest} == {"tracking_batch_pkey"}
    by_id = [node for node in fair if node["Index Name"] == "tracking_batch_pkey"]
    assert [node["Index Cond"].split(" ANY ")[0] for node in by_id] == ["(id ="]
    assert {node["Index Name"] for node in fair if node not in by_id} == {"batch_application"}


def test_a_run_takes_all_of_a_backlog(shop: Sender, stranger: Sender) -> None:
    sessions = [uuid4() for _ in range(MANY // 2)]
    for who in (shop, stranger):
        for session in sessions:
            waiting(who, 1, body=json.dumps(event(session)).encode())
    assert digest.digest_until_empty() == {"batches": MANY, "events": MANY}
    assert Event.objects.count() == MANY
    assert not claims.backlog()
