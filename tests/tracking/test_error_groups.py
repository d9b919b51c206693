"""Errors of one kind are counted together, each exactly once, whatever happens to them."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection
from django.db.models import Sum
from django.utils.timezone import now

from reports import rollup
from tests.cast import Sender, elsewhere, event, refused
from tests.tracking.test_reprocess import NUMBER, SOMEBODY, TEXT, again, give_schema, sale
from tracking import claims, erase, error_groups, error_mutes, retention
from tracking.digest import digest_until_empty
from tracking.error_groups import begin_of
from tracking.models import (
    Application,
    AuditEntry,
    Batch,
    ErrorChange,
    ErrorCount,
    ErrorGroup,
    ErrorMute,
    EventError,
)
from tracking.reprocess import of_group, unresolved

MIGRATION = import_module("tracking.migrations.0018_errors_grouped")
HALF_A_YEAR = timedelta(days=182)

# By kind, and by kind, step and start: how many errors, and how many of them are resolved.
type Numbers = dict[Any, tuple[int, int]]


def grouped() -> Numbers:
    """What the groups count, all that waits included."""
    rollup.roll_up()
    return {kind_of(group): (group.errors, group.resolved) for group in ErrorGroup.objects.all()}


def there(errors: Iterable[EventError] | None = None) -> Numbers:
    """What there is."""
    found = EventError.objects.all() if errors is None else errors
    return counted((kind_of(error), error) for error in found)


def counted(errors: Iterable[tuple[Any, EventError]]) -> Numbers:
    seen: Counter[Any] = Counter()
    settled: Counter[Any] = Counter()
    for key, error in errors:
        seen[key] += 1
        settled[key] += error.resolved_at is not None
    return {key: (count, settled[key]) for key, count in seen.items()}


def kind_of(row: EventError | ErrorGroup) -> tuple[Any, ...]:
    return row.application_id, row.category, row.name, row.field, row.code


def counts() -> Numbers:
    rollup.roll_up()
    return {
        (kind_of(count.group), count.step, count.start): (count.errors, count.resolved)
        for count in ErrorCount.objects.select_related("group")
        if count.errors
    }


def by_span() -> Numbers:
    return counted(
        ((kind_of(error), step.value, begin_of(error.created_at, step)), error)
        for error in EventError.objects.all()
        for step in ErrorCount.Step
    )


def mixture(session: UUID, name: str = "a") -> list[Any]:
    """A good event and two wrong ones, one of which is there twice."""
    wrong = event(session, category="", data={})
    return [event(session, name=name), wrong, wrong, event(session, timestamp="never")]


def test_errors_of_one_kind_are_one_group(shop: Sender, stranger: Sender, session: UUID) -> None:
    for who in (shop, stranger):
        who.send(*mixture(session))
    shop.send(*mixture(uuid4()))
    assert grouped() == there()
    assert counts() == by_span()
    fields = ErrorGroup.objects.filter(application=shop.application_id).order_by("field")
    assert list(fields.values_list("field", "code", "errors")) == [
        ("category", "empty", 4),
        ("data", "empty", 4),
        ("timestamp", "not_a_timestamp", 2),
    ]


def test_a_group_says_when_it_began_and_gives_its_latest_error(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    grouped()
    shop.send(event(session, category="", name="other"), event(session, category=""))
    rollup.roll_up()
    for group in ErrorGroup.objects.all():
        errors = EventError.objects.filter(name=group.name).order_by("pk")
        first, last = errors[0], errors.reverse()[0]
        assert (group.first_at, group.last_at) == (first.created_at, last.created_at)
        assert group.example_id == last.pk


def test_the_same_batch_again_counts_nothing_twice(shop: Sender, session: UUID) -> None:
    body = mixture(session)
    shop.post(body)
    batch = Batch.objects.get()
    digest_until_empty()
    batch.save(force_insert=True)  # as if the digest had come back from a crash
    digest_until_empty()
    assert grouped() == there()


def test_a_digest_that_fails_tells_nothing(shop: Sender, session: UUID) -> None:
    with refused("tracking_receipt", "false"):
        shop.post(mixture(session))
        with pytest.raises(IntegrityError):
            digest_until_empty()
    assert not ErrorChange.objects.exists()


def test_many_digests_and_rollers_at_once_count_right(shop: Sender, stranger: Sender) -> None:
    for number in range(30):
        for who in (shop, stranger):
            who.post(mixture(uuid4(), f"name {number}"))
    claims.forget()
    with ThreadPoolExecutor(5) as pool:
        work = [digest_until_empty] * 3 + [rollup.roll_up] * 2
        for done in [pool.submit(elsewhere, one) for one in work]:
            done.result()
    digest_until_empty()
    assert grouped() == there()
    assert counts() == by_span()
    assert ErrorGroup.objects.aggregate(all=Sum("errors"))["all"] == 2 * 30 * 5


def test_a_roller_that_fails_leaves_all_to_the_next(shop: Sender, session: UUID) -> None:
    shop.send(*mixture(session))
    with refused("tracking_errorcount", "false"), pytest.raises(IntegrityError):
        rollup.roll_up()
    assert not ErrorGroup.objects.exists()
    assert grouped() == there()


def test_what_is_stored_after_all_counts_as_resolved(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"), sale(session, "2"), sale(session, None))
    shop.send(sale(session, "1"))
    grouped()
    give_schema(TEXT)
    again()
    assert grouped() == there()
    assert counts() == by_span()
    group = ErrorGroup.objects.get(code="wrong_type")
    assert (group.errors, group.resolved) == (4, 3)
    again()
    assert grouped() == there()


def test_what_is_wrong_once_more_is_open_again(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    give_schema(TEXT)
    again()
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    assert grouped() == there()
    group = ErrorGroup.objects.get()
    assert (group.errors, group.resolved) == (2, 1)


def test_with_its_last_error_a_group_goes(shop: Sender, session: UUID) -> None:
    shop.send(*mixture(session))
    other = uuid4()
    shop.send(event(other, category=""))
    grouped()
    erase.erase_session(session, None, SOMEBODY)
    assert grouped() == there()
    assert counts() == by_span()
    erase.erase_session(other, None, SOMEBODY)
    assert (grouped(), counts()) == ({}, {})


def test_what_is_kept_no_longer_counts_no_longer(shop: Sender, session: UUID) -> None:
    shop.send(*mixture(session))
    old = now() - HALF_A_YEAR
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tracking_eventerror SET created_at = %s", [old])
        cursor.execute("UPDATE tracking_errorchange SET minute = %s", [old])
    shop.send(event(session, category=""))
    assert grouped() == there()
    Application.objects.update(retention_days=100)
    retention.retain(now(), lambda totals: None)
    assert EventError.objects.count() == 1
    assert grouped() == there()
    assert counts() == by_span()


def test_places_in_arrays_are_one_field(shop: Sender, session: UUID) -> None:
    give_schema({"properties": {"rows": {"items": {"properties": {"n": {"type": "number"}}}}}})
    rows = {"rows": [{"n": "1"}, {"n": "2"}, {"n": 3}]}
    shop.send(event(session, category="shop", name="sale", data=rows))
    shop.send(event(session, category="shop", name="sale", data=rows | {"rows[0].n": "x"}))
    rollup.roll_up()
    group = ErrorGroup.objects.get()
    assert (group.field, group.errors) == ("data.rows[*].n", 4)
    assert unresolved(of_group(group)).count() == 4


def test_a_group_is_reprocessed_alone(shop: Sender, session: UUID) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"), sale(session, "2"), event(session, category=""))
    rollup.roll_up()
    give_schema(TEXT)
    group = ErrorGroup.objects.get(code="wrong_type")
    totals = again(**of_group(group))
    assert (totals.examined, totals.stored) == (2, 2)
    group.refresh_from_db()
    rollup.roll_up()
    group.refresh_from_db()
    assert group.resolved == 2


def test_an_application_has_no_more_groups_than_it_may(
    shop: Sender, stranger: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_groups, "MOST_GROUPS", 3)
    for name in "abcdef":
        shop.send(event(session, name=name, data={}))
        grouped()
    shop.send(event(session, name="f", data={}), event(session, name="a", data={}))
    stranger.send(event(session, name="f", data={}))
    found = grouped()
    assert sum(errors for errors, _ in found.values()) == EventError.objects.count() == 9
    (rest,) = [group for group in ErrorGroup.objects.all() if group.is_rest]
    assert (rest.application_id, rest.errors) == (shop.application_id, 4)
    assert ErrorGroup.objects.filter(application=shop.application_id).count() == 4


def test_what_was_counted_in_the_rest_is_taken_from_it(
    shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_groups, "MOST_GROUPS", 1)
    first, second, third = uuid4(), uuid4(), uuid4()
    shop.send(event(first, name="a", data={}))
    grouped()
    shop.send(event(second, name="b", data={}))
    grouped()
    erase.erase_session(first, None, SOMEBODY)
    # There is room again, but errors of this kind are in the rest.
    shop.send(event(third, name="b", data={}))
    grouped()
    rest = ErrorGroup.objects.get()
    assert (rest.is_rest, rest.errors) == (True, 2)
    erase.erase_session(second, None, SOMEBODY)
    erase.erase_session(third, None, SOMEBODY)
    assert grouped() == {}
    shop.send(event(session, name="b", data={}))
    assert grouped() == there()


def test_counts_are_kept_as_long_as_a_page_shows_them(shop: Sender, session: UUID) -> None:
    shop.send(*mixture(session))
    grouped()
    for step, kept in error_groups.KEPT.items():
        ErrorCount.objects.filter(step=step).update(start=now() - kept - timedelta(days=1))
    shop.send(event(session, category=""))
    rollup.roll_up()
    oldest = begin_of(now(), ErrorCount.Step.DAY)
    assert all(count.start >= oldest - timedelta(days=1) for count in ErrorCount.objects.all())


def test_what_was_there_before_the_groups_is_in_them(
    shop: Sender, stranger: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (shop, stranger):
        who.send(*mixture(session))
    give_schema(NUMBER)
    shop.send(sale(session, "1"))
    give_schema(TEXT)
    again()
    ErrorChange.objects.all().delete()
    monkeypatch.setattr(MIGRATION, "SLICE", 3)
    for _ in range(2):  # also where it ended halfway
        with connection.schema_editor() as editor:
            MIGRATION.fill(apps, editor)
    assert grouped() == there()
    assert counts() == by_span()


def test_a_mute_ends_by_itself_and_is_written_down(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    rollup.roll_up()
    group = ErrorGroup.objects.get()
    error_mutes.mute(group, timedelta(days=1), "known", SOMEBODY)
    assert error_mutes.in_force().get().group_id == group.pk
    ErrorMute.objects.update(until=now() - timedelta(seconds=1))
    assert not error_mutes.in_force().exists()
    error_mutes.mute(group, None, "", SOMEBODY)
    assert error_mutes.in_force().get().until is None
    error_mutes.unmute(group, SOMEBODY)
    error_mutes.unmute(group, SOMEBODY)
    assert not ErrorMute.objects.exists()
    actions = AuditEntry.objects.order_by("pk").values_list("action", "target")
    assert [action for action, _ in actions] == ["errors.muted"] * 2 + ["errors.unmuted"]
    assert {target for _, target in actions} == {str(group.pk)}


def test_a_mute_outlives_the_errors(shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    rollup.roll_up()
    error_mutes.mute(ErrorGroup.objects.get(), None, "", SOMEBODY)
    erase.erase_session(session, None, SOMEBODY)
    assert grouped() == {}
    shop.send(event(uuid4(), category=""))
    rollup.roll_up()
    assert error_mutes.in_force().get().group == ErrorGroup.objects.get()


@pytest.mark.parametrize(
    ("step", "begin"),
    [
        (ErrorCount.Step.MINUTE, datetime(2026, 3, 4, 17, 31, tzinfo=UTC)),
        (ErrorCount.Step.HOUR, datetime(2026, 3, 4, 17, tzinfo=UTC)),
        (ErrorCount.Step.QUARTER, datetime(2026, 3, 4, 12, tzinfo=UTC)),
        (ErrorCount.Step.DAY, datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_span_begins_at_a_whole_step(step: ErrorCount.Step, begin: datetime) -> None:
    assert begin_of(datetime(2026, 3, 4, 17, 31, 12, 5, tzinfo=UTC), step) == begin
