"""From the inbox to the tables: claim, validate, merge; and what to do when that fails."""

import logging
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import sleep

from django.db import Error, connection, transaction

from tracking import claims, event_types, inbox, locks, store, wire
from tracking.checking import Checked, Checker, plain
from tracking.claims import Claimed
from tracking.event_types import Types
from tracking.faults import Fault, classify, sqlstate
from tracking.nudge import Bell, Shift
from tracking.prepared import Prepared, prepare
from tracking.problems import Problem
from tracking.signals import sessions_changed
from tracking.validation import refused

logger = logging.getLogger(__name__)

# Where a worker took all that waited, it lets more come before it looks again: ten events cost it
# little more than one.
PAUSE_SECONDS = 0.05
# And when it finds the inbox empty, it looks once more after this long before it stops.
LINGER_SECONDS = 0.05
# What none of the batches is to be charged for.
NOBODYS = {Fault.TRANSIENT, Fault.DEPLOYMENT}
# One task does not hold its worker for longer than this; another one goes on.
SHIFT_SECONDS = 1.0

# A crash loses the commit and the batches' removal together, so it need not wait for the disk.
# A worker that hangs or dies must not hold its locks for long.
BEFORE = f"""
SET LOCAL synchronous_commit = off;
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL client_connection_check_interval = '500ms';
{locks.BEFORE_STORING}
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Batches that were claimed, and what another thread makes of them."""

    claimed: list[Claimed]
    prepared: Future[Prepared]

    @property
    def events(self) -> int:
        return sum(batch.n_events for batch in self.claimed)


def digest_until_empty(bell: Bell | None = None) -> dict[str, int]:
    """Digests all that waits, or what fits in a shift; how many batches and events it claimed.

    In a backlog, one round is made ready while the one before is stored.
    """
    totals = {"batches": 0, "events": 0}
    shift = Shift(bell, SHIFT_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        round = _begin(pool) or _last_look(pool, shift)
        while round:
            behind = claims.backlog()
            goes_on = shift.goes_on(behind)
            ahead = _begin(pool) if behind and goes_on else None
            _finish(round, ahead)
            totals["batches"] += len(round.claimed)
            totals["events"] += round.events
            if goes_on and ahead is None:
                sleep(PAUSE_SECONDS)
                ahead = _begin(pool) or _last_look(pool, shift)
            round = ahead
    shift.end()
    return totals


def digest_once(min_age: timedelta = timedelta(0)) -> list[Claimed]:
    """Claims once and digests what it got, at least `min_age` old; the batches claimed."""
    with ThreadPoolExecutor(1) as pool:
        round = _begin(pool, min_age)
        if round is None:
            return []
        _finish(round)
        return round.claimed


def _begin(pool: Executor, min_age: timedelta = timedelta(0)) -> Round | None:
    if not connection.in_atomic_block:  # it may have died since the last round
        connection.close_if_unusable_or_obsolete()
    types = event_types.current()  # before anything is charged for a database that is away
    claimed = claims.claim(min_age)
    if not claimed:
        return None
    fresh = [batch for batch in claimed if batch.attempts <= claims.MAX_ATTEMPTS]
    return Round(claimed, pool.submit(_prepared, fresh, types))


def _last_look(pool: Executor, shift: Shift) -> Round | None:
    sleep(LINGER_SECONDS)
    shift.last_look()
    return _begin(pool)


def _finish(round: Round, ahead: Round | None = None) -> None:
    """Where this fails, what was claimed ahead is given back as well."""
    try:
        for batch in round.claimed:
            if batch.attempts > claims.MAX_ATTEMPTS:
                inbox.set_aside(batch, f"It was not digested in {claims.MAX_ATTEMPTS} attempts.")
        _digest(round.prepared.result())
    except Exception:
        if ahead:
            _give_back(ahead.claimed)
        raise


def _prepared(batches: list[Claimed], types: Types) -> Prepared:
    """Made ready outside any transaction, so that no lock is held while Python works."""
    checker = Checker(types)
    checked = []
    for batch in batches:
        try:
            checked.append(checker.check(batch))
        except Exception:
            # It stays in the inbox, charged; the others go on, and in the end it is set aside.
            logger.exception("Batch %s cannot be read", batch.receipt)
    return prepare(checked)


def _digest(prepared: Prepared) -> None:
    if not prepared.batches:
        return
    try:
        _store(prepared)
    except (Error, ValueError) as error:  # the driver refuses some texts itself
        _recover(prepared.batches, error)


def _store(prepared: Prepared) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(BEFORE)
        mine = claims.take([checked.batch for checked in prepared.batches])
        if len(mine) < len(prepared.batches):
            prepared = prepare([each for each in prepared.batches if each.batch.id in mine])
        changed = store.merge(prepared)
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
    if fault in NOBODYS:
        _give_back(claimed)
    if fault is Fault.DEPLOYMENT:
        raise error
    if fault is Fault.TRANSIENT:
        return
    if len(batches) > 1:
        half = len(batches) // 2
        try:
            _digest(prepare(batches[:half]))
        finally:
            _digest(prepare(batches[half:]))
    elif fault is Fault.DATA:
        _digest_without_poison(batches[0])
    elif claimed[0].attempts >= claims.UNKNOWN_ATTEMPTS:
        inbox.set_aside(claimed[0], f"PostgreSQL refused it with SQLSTATE {sqlstate(error)}.")


def _digest_without_poison(checked: Checked) -> None:
    try:
        _store(prepare([_without_poison(checked)]))
    except Error as error:
        if classify(error) in NOBODYS:
            _give_back([checked.batch])
        raise


def _give_back(claimed: list[Claimed]) -> None:
    with suppress(Error):  # where even this fails, they come free by themselves
        claims.give_back(claimed)


def _without_poison(checked: Checked) -> Checked:
    """The batch with the events that the database refuses moved to the rejected ones."""
    texts = wire.texts(plain(checked.batch))
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
            store.insert(prepare([Checked(checked.batch, part, {})]))
            transaction.set_rollback(True)
    except (Error, ValueError) as error:
        if classify(error) is not Fault.DATA:
            raise
        return False
    return True
