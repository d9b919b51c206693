"""From the inbox to the tables: claim, validate, merge; and what to do when that fails."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from time import monotonic, sleep

from django.db import Error, connection, transaction

from tracking import event_types, inbox, locks, store, wire
from tracking.event_types import Types
from tracking.faults import Fault, classify, sqlstate
from tracking.inbox import Claimed
from tracking.problems import Problem
from tracking.signals import sessions_changed
from tracking.store import Checked
from tracking.validation import Rejected, ValidEvent, refused, validate

logger = logging.getLogger(__name__)

# A worker that found the inbox empty looks once more after this long before it stops.
LINGER_SECONDS = 0.05
# One task does not hold its worker for longer than this; the next nudge or the sweeper goes on.
LONGEST_RUN_SECONDS = 30.0
UNPACKED_LIMIT = 64 * 1024 * 1024

# A crash loses the commit and the batches' removal together, so it need not wait for the disk.
# A worker that hangs or dies must not hold its locks for long.
LIMITS = """
SET LOCAL synchronous_commit = off;
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL client_connection_check_interval = '500ms'
"""


def digest_until_empty() -> dict[str, int]:
    """Digests all that waits, or what fits in a run; how many batches and events that was."""
    totals = {"batches": 0, "events": 0}
    ends = monotonic() + LONGEST_RUN_SECONDS
    while monotonic() < ends:
        done = digest_once() or _linger()
        if not done:
            break
        totals["batches"] += len(done)
        totals["events"] += sum(batch.n_events for batch in done)
    return totals


def _linger() -> list[Claimed]:
    sleep(LINGER_SECONDS)
    return digest_once()


def digest_once(min_age: timedelta = timedelta(0)) -> list[Claimed]:
    """Claims once and digests what it got, at least `min_age` old; the batches claimed."""
    types = event_types.current()  # before anything is charged for a database that is away
    claimed = inbox.claim(min_age)
    worn_out = [batch for batch in claimed if batch.attempts > inbox.MAX_ATTEMPTS]
    for batch in worn_out:
        inbox.set_aside(batch, f"It was not digested in {inbox.MAX_ATTEMPTS} attempts.")
    _digest([*_checked((batch for batch in claimed if batch not in worn_out), types)])
    return claimed


def _checked(batches: Iterable[Claimed], types: Types) -> Iterator[Checked]:
    """Validates outside any transaction, so that no lock is held while Python works."""
    for batch in batches:
        try:
            yield _check(batch, types)
        except Exception:
            # It stays in the inbox, charged; the others go on, and in the end it is set aside.
            logger.exception("Batch %s cannot be read", batch.receipt)


def _check(batch: Claimed, types: Types) -> Checked:
    valid: dict[int, ValidEvent] = {}
    rejected: dict[int, Rejected] = {}
    for position, raw in enumerate(_texts(batch)):
        event = validate(raw, batch.application_id, batch.received_at, types)
        if isinstance(event, ValidEvent):
            valid[position] = event
        else:
            rejected[position] = event
    return Checked(batch, valid, rejected)


def _texts(batch: Claimed) -> list[bytes]:
    body = bytes(batch.body)
    return wire.split(wire.gunzip(body, UNPACKED_LIMIT) if batch.encoding == "gzip" else body)


def _digest(batches: list[Checked]) -> None:
    if not batches:
        return
    try:
        _store(batches)
    except (Error, UnicodeError) as error:
        _recover(batches, error)


def _store(batches: list[Checked]) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LIMITS)
        mine = inbox.fence([checked.batch for checked in batches])
        locks.before_storing()
        changed = store.merge([checked for checked in batches if checked.batch.id in mine])
        inbox.remove(list(mine))
    if changed:
        sessions_changed.send(sender=None, session_ids=changed)


def _recover(batches: list[Checked], error: Exception) -> None:
    fault = classify(error)
    claimed = [checked.batch for checked in batches]
    logger.warning(
        "A digest of %d batches failed: %s, SQLSTATE %s, %s",
        len(batches),
        type(error).__name__,
        sqlstate(error),
        fault.value,
    )
    if fault in {Fault.TRANSIENT, Fault.DEPLOYMENT}:
        with suppress(Error):  # where even this fails, they come free by themselves
            inbox.give_back(claimed)
    if fault is Fault.DEPLOYMENT:
        raise error
    if fault is Fault.TRANSIENT:
        return
    if len(batches) > 1:
        for checked in batches:
            _digest([checked])
    elif fault is Fault.DATA:
        _store([_without_poison(batches[0])])
    elif claimed[0].attempts >= inbox.UNKNOWN_ATTEMPTS:
        inbox.set_aside(claimed[0], f"PostgreSQL refused it with SQLSTATE {sqlstate(error)}.")


def _without_poison(checked: Checked) -> Checked:
    """The batch with the events that the database refuses moved to the rejected ones."""
    texts = _texts(checked.batch)
    problem = Problem("", "not_storable", "The database cannot store this event.")
    rejected = {
        place: refused(checked.valid[place], texts[place], problem)
        for place in _poison(checked, list(checked.valid))
    }
    valid = {place: event for place, event in checked.valid.items() if place not in rejected}
    return Checked(checked.batch, valid, {**checked.rejected, **rejected})


def _poison(checked: Checked, positions: list[int]) -> list[int]:
    """The positions among these whose event fails on its own, found by halving."""
    if _fits(checked, positions):
        return []
    if len(positions) == 1:
        return positions
    half = len(positions) // 2
    return _poison(checked, positions[:half]) + _poison(checked, positions[half:])


def _fits(checked: Checked, positions: list[int]) -> bool:
    part = {position: checked.valid[position] for position in positions}
    try:
        with transaction.atomic():
            store.insert([Checked(checked.batch, part, {})])
            transaction.set_rollback(True)
    except (Error, UnicodeError) as error:
        if classify(error) is not Fault.DATA:
            raise
        return False
    return True
