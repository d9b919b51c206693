"""What a digest counts is told in the outbox, once, whatever happens to the digest."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils.timezone import now

from tests.cast import Sender, a_schema_that_does_not_fit, at, elsewhere, event
from tests.tracking.test_reprocess import NUMBER, SOMEBODY, TEXT, again, give_schema, sale
from tracking import claims, digest, erase, event_types, inbox
from tracking.digest import digest_until_empty
from tracking.kind_counts import KindCounts
from tracking.models import Batch, Event, EventError, Receipt, RejectedEvent, SetAsideBatch, Tally

MIGRATION = import_module("tracking.migrations.0011_tally")

# By application, minute, and what it is, or the code of errors.
type Sums = Counter[tuple[int, datetime, str]]
# By application, minute, category and name.
type Kinds = Counter[tuple[int, datetime, str, str]]


def told() -> Sums:
    counts = ("sent", "stored", "duplicate", "rejected")
    sums = of_events(Tally.objects.filter(code=None).values("application", "minute", *counts))
    for row in Tally.objects.exclude(code=None):
        assert row.code
        sums[row.application_id, row.minute, row.code] += row.errors
    return without_zeros(sums)


def there() -> Sums:
    """What the receipts of digested batches, and the errors, add up to."""
    digested = Receipt.objects.filter(state=Receipt.State.DIGESTED)
    sums = of_events(
        {
            "application": receipt.application_id,
            "minute": minute(receipt.received_at),
            "sent": receipt.events,
            "stored": receipt.stored,
            "duplicate": receipt.duplicate,
            "rejected": receipt.rejected,
        }
        for receipt in digested
    )
    for error in EventError.objects.all():
        sums[error.application_id, minute(error.created_at), error.code] += 1
    return without_zeros(sums)


def of_events(rows: Iterable[dict[str, Any]]) -> Sums:
    sums: Sums = Counter()
    for row in rows:
        application, minute = row.pop("application"), row.pop("minute")
        for what, count in row.items():
            sums[application, minute, what] += count
    return sums


def minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def without_zeros(sums: Sums) -> Sums:
    return Counter({key: count for key, count in sums.items() if count})


def counted(what: str) -> int:
    return sum(count for (*_, name), count in told().items() if name == what)


def mixture(session: UUID, name: str) -> list[Any]:
    """Two good events, one of them twice, and two wrong ones with three wrong fields."""
    good = event(session, name=name)
    return [good, good, event(session), event(session, category="", data={}), 5]


def test_good_wrong_and_repeated_events_are_told(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.send(*mixture(session, "a"))
    shop.send(*mixture(session, "b"))
    stranger.send(*mixture(session, "a"))
    assert told() == there()
    assert [counted(what) for what in ("sent", "stored", "duplicate", "rejected")] == [15, 5, 4, 6]
    assert (counted("empty"), counted("not_an_object")) == (6, 3)


def test_what_is_stored_together_is_told_in_a_row_for_each_application_and_code(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    for name in "abcdefgh":
        for who in (shop, stranger):
            who.post(mixture(session, name))
    Batch.objects.update(received_at=now())
    digest_until_empty()
    assert told() == there()
    rows = Tally.objects.order_by("application", "code").values_list("application", "code")
    assert list(rows) == [
        (who.application_id, code)
        for who in (shop, stranger)
        for code in ("empty", "not_an_object", None, None)  # counts, and kinds
    ]


def test_events_count_when_they_were_received_and_errors_when_they_were_found(
    shop: Sender, session: UUID
) -> None:
    shop.post(mixture(session, "a"))
    long_ago = now() - timedelta(hours=7, seconds=31)
    Batch.objects.update(received_at=long_ago)
    digest_until_empty()
    assert told() == there()
    assert told()[shop.application_id, minute(long_ago), "sent"] == 5
    assert told()[shop.application_id, minute(long_ago), "empty"] == 0


def test_what_is_stored_later_moves_from_rejected_to_stored_where_it_was(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    give_schema(NUMBER)
    long_ago = now() - timedelta(hours=7)
    first, second = (sale(session, price, timestamp=at(-30_000)) for price in "12")
    shop.post([first, second])
    Batch.objects.update(received_at=long_ago)
    shop.send(first, sale(session, [1]))
    stranger.send(first)
    give_schema(TEXT)
    shop.send(second)  # so that it is a duplicate where it was rejected
    totals = again()
    assert (totals.stored, totals.duplicate, totals.still_rejected) == (2, 1, 1)
    assert told() == there()
    assert told()[shop.application_id, minute(long_ago), "rejected"] == 0
    assert counted("wrong_type") == 5  # as many errors as there were, of which four are resolved
    again()
    assert told() == there()


def test_a_batch_that_was_set_aside_is_told_when_it_is_digested(
    shop: Sender, session: UUID
) -> None:
    shop.post(mixture(session, "a"))
    Batch.objects.update(attempts=claims.MAX_ATTEMPTS)
    digest_until_empty()
    assert not Tally.objects.exists()
    inbox.replay([SetAsideBatch.objects.get().pk], SOMEBODY)
    assert not Tally.objects.exists()
    digest_until_empty()
    assert told() == there()
    assert counted("sent") == 5


def test_a_batch_that_two_workers_have_is_told_once(shop: Sender, session: UUID) -> None:
    shop.post(mixture(session, "a"))
    late = claims.claim()
    Batch.objects.update(next_at=now())
    digest_until_empty()
    digest._digest(digest._prepared(late, event_types.current()))
    assert told() == there()
    assert counted("sent") == 5


def test_two_workers_at_once_tell_all(shop: Sender, stranger: Sender, session: UUID) -> None:
    for n in range(60):
        (shop, stranger)[n % 2].post(mixture(session, str(n % 7)))
    with ThreadPoolExecutor(2) as workers:
        for worker in [workers.submit(elsewhere, digest_until_empty) for _ in range(2)]:
            worker.result()
    Batch.objects.update(next_at=now())  # those of which both had the same events
    digest_until_empty()
    assert told() == there()
    assert counted("sent") == 300


def test_a_digest_that_fails_tells_nothing_until_it_is_done_again(
    shop: Sender, session: UUID
) -> None:
    shop.post(mixture(session, "a"))
    with a_schema_that_does_not_fit(), pytest.raises(Exception, match="data"):
        digest_until_empty()
    assert not Tally.objects.exists()
    Batch.objects.update(next_at=now())
    digest_until_empty()
    assert told() == there()
    assert counted("sent") == 5


def test_what_the_database_refuses_is_told_as_rejected(shop: Sender, session: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE tracking_event ADD CONSTRAINT no_poison CHECK (name <> 'poison')"
        )
    try:
        for name in ("a", "poison", "b"):
            shop.post(mixture(session, name))
        digest_until_empty()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tracking_event DROP CONSTRAINT no_poison")
    assert told() == there()
    assert (counted("rejected"), counted("not_storable")) == (8, 2)


def test_what_is_erased_was_counted(shop: Sender, session: UUID) -> None:
    shop.send(*mixture(session, "a"))
    before = told()
    erase.erase_session(session, None, SOMEBODY)
    assert RejectedEvent.objects.count() == 1  # the one without a session
    assert told() == before


def test_what_was_counted_before_there_was_an_outbox_is_filled_in(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.post(mixture(session, "a"))
    Batch.objects.update(received_at=now() - timedelta(days=40))
    for who in (shop, stranger):
        who.send(*mixture(session, "b"))
    shop.post(event(session, name="set aside"))
    Batch.objects.update(attempts=claims.MAX_ATTEMPTS)
    digest_until_empty()
    Tally.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(MIGRATION.FILL)
    assert told() == there()
    assert (counted("sent"), counted("empty")) == (15, 6)


def kinds_told() -> Kinds:
    found: Kinds = Counter()
    for row in Tally.objects.exclude(kinds=None):
        assert (row.code, row.sent, row.errors) == (None, 0, 0)
        for category, name, count in KindCounts(row.kinds):
            found[row.application_id, row.minute, category, name] += count
    return found


def kinds_there() -> Kinds:
    return Counter(
        (one.application_id, minute(one.received_at), one.category, one.name)
        for one in Event.objects.all()
    )


def test_stored_events_are_told_by_what_they_are_called(
    shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.post([event(session, name="long ago", timestamp=at(-30_000))])
    for n in range(4):
        shop.post(mixture(session, "ab"[n % 2]))
        stranger.post([event(session, name="'\"\\ $$ % {} \u202e ü", data={"n": n})])
    long_ago = now() - timedelta(hours=7)
    Batch.objects.filter(pk=Batch.objects.earliest("pk").pk).update(received_at=long_ago)
    digest_until_empty()
    assert kinds_told() == kinds_there()
    assert len(kinds_told()) == 5
    assert Tally.objects.exclude(kinds=None).count() == 3


def test_kinds_are_told_once_whoever_digests(shop: Sender, session: UUID) -> None:
    shop.post(mixture(session, "a"))
    late = claims.claim()
    Batch.objects.update(next_at=now())
    digest_until_empty()
    digest._digest(digest._prepared(late, event_types.current()))
    shop.send(*mixture(session, "a"))
    with a_schema_that_does_not_fit(), pytest.raises(Exception, match="data"):
        shop.send(event(session, name="later"))
    Batch.objects.update(next_at=now())
    digest_until_empty()
    assert kinds_told() == kinds_there()
    assert sum(kinds_told().values()) == 3


def test_what_is_stored_later_is_told_by_its_kind(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"), sale(session, 2))
    give_schema(TEXT)
    assert again().stored == 1
    assert kinds_told() == kinds_there()
    assert sum(kinds_told().values()) == 2
