"""Who looks for work that waits, and who need not be told of it."""

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.core.cache import cache

from tests.cast import Sender, at, event
from tracking import claims
from tracking.digest import digest_until_empty
from tracking.models import Batch, Event
from tracking.nudge import NUDGED, Bell, BrokerAway, Shift, publish, publish_once
from tracking.tasks import digest

KEY = "nudge:tracking.digest"
ELSEWHERE = "another-host 1"


@pytest.fixture
def bell(settings: object) -> Iterator[Bell]:
    """One that was never rung."""
    cache.delete(KEY)
    yield Bell(digest)
    cache.delete(KEY)


def rang(bell: Bell) -> bool:
    """Its first ring starts the thread that publishes."""
    return bell.background.thread_of != 0


def wait_for_a_worker(shop: Sender, session: UUID, events: int) -> None:
    for second in range(events):
        assert shop.post(event(session, timestamp=at(second))).status_code == 202


def test_while_a_worker_keeps_up_no_other_is_needed(bell: Bell) -> None:
    assert Bell(digest).at_it()  # this process
    assert bell.at_it()
    cache.set(KEY, ELSEWHERE)
    assert not Bell(digest).at_it()
    assert cache.get(KEY) == ELSEWHERE


def test_who_was_nudged_is_at_it(bell: Bell) -> None:
    cache.set(KEY, NUDGED)
    assert bell.at_it()
    assert cache.get(KEY) not in {NUDGED, None}


def test_before_the_last_look_others_are_told_to_ring_again(bell: Bell) -> None:
    shift = Shift(bell, 60)
    assert shift.goes_on()
    shift.last_look()
    assert cache.get(KEY) is None
    shift.end()
    assert not rang(bell)


def test_who_is_behind_is_helped(bell: Bell) -> None:
    cache.set(KEY, NUDGED)  # as whoever nudged this one left it
    assert Shift(bell, 60).goes_on(behind=True)
    assert rang(bell)


def test_in_a_backlog_the_one_that_was_called_takes_over(bell: Bell) -> None:
    shift = Shift(bell, 60)
    assert shift.goes_on(behind=True)
    cache.set(KEY, ELSEWHERE)  # as the one that was called says
    shift.over = True
    shift.end()
    assert cache.get(KEY) == ELSEWHERE


def test_who_has_caught_up_calls_again_when_its_time_is_over(bell: Bell) -> None:
    shift = Shift(bell, 60)
    assert shift.goes_on(behind=True)
    assert shift.goes_on()
    cache.set(KEY, ELSEWHERE)
    shift.over = True
    shift.end()
    assert cache.get(KEY) != ELSEWHERE


def test_when_a_shift_is_over_another_begins(bell: Bell) -> None:
    shift = Shift(bell, 0)
    assert not shift.goes_on()
    shift.end()
    assert rang(bell)


@pytest.mark.django_db(transaction=True)
def test_a_digest_that_is_not_needed_finishes_what_it_began(
    shop: Sender, session: UUID, bell: Bell
) -> None:
    wait_for_a_worker(shop, session, 3)
    cache.set(KEY, ELSEWHERE)
    assert digest_until_empty(bell) == {"batches": 3, "events": 3}
    assert cache.get(KEY) == ELSEWHERE
    assert Event.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_digest_whose_time_is_over_leaves_the_rest(
    shop: Sender, session: UUID, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking.digest.SHIFT_SECONDS", 0.0)
    monkeypatch.setattr(claims, "MAX_EVENTS", 2)
    wait_for_a_worker(shop, session, 5)
    assert digest_until_empty(bell) == {"batches": 2, "events": 2}
    assert rang(bell)
    assert Batch.objects.count() == 3
    assert digest_until_empty() == {"batches": 3, "events": 3}


@pytest.fixture
def no_thread() -> Iterator[None]:
    """None is to be had, for none has room for so large a stack."""
    usual = threading.stack_size(1 << 46)
    yield
    threading.stack_size(usual)


def test_where_no_thread_is_to_be_had_none_is_thought_busy(no_thread: None) -> None:
    for _ in range(20):
        with pytest.raises(BrokerAway) as away:
            publish(digest)
        assert isinstance(away.value.__cause__, RuntimeError)
    threading.stack_size(0)
    assert publish(digest)


def test_what_could_not_be_queued_is_not_thought_queued(no_thread: None) -> None:
    cache.delete(f"queued:{digest.name}")
    for _ in range(2):
        with pytest.raises(BrokerAway):
            publish_once(digest, seconds=60)
    threading.stack_size(0)
    queued = publish_once(digest, seconds=60)
    assert publish_once(digest, seconds=60) == queued
