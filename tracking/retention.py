"""Deleting what an application keeps no longer. Reports stay, as they were made of it.

Partitions of which nobody keeps anything are detached first, the sessions of their events settled,
and the partitions dropped. What else has grown too old goes by rows. Both in slices, each a short
transaction of its own, so that a run may end at any moment and another one goes on.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import F, Q

from tracking import erase, error_changes, locks, partitions
from tracking.erase import Removed
from tracking.faults import Fault, classify
from tracking.ids import EPOCH, NIL, first_id_at
from tracking.models import Application, Event, EventError, RejectedEvent, Session
from tracking.signals import sessions_changed

logger = logging.getLogger(__name__)

SLICE = 5_000
# A slice holds a lock for each of its sessions, and PostgreSQL has room for some thousand.
SLICE_SESSIONS = 500
# One run does not hold its worker for longer than this.
LONGEST_RUN_SECONDS = 300.0
# For so long it waits for reports that are behind, of so many sessions.
REPORTS_PATIENCE_SECONDS = 30.0
AWAITED_SESSIONS = 1_000
ATTEMPTS = 10
PAUSE_SECONDS = 1.0

DONE = "done"
OUT_OF_TIME = "out of time: another run goes on"
BUSY = "another run is at it"

# What a crash loses of this, the next run deletes. Plans are chosen by how many rows they read: by
# its guess of what pages cost, PostgreSQL would look for an application's events among all others'.
LIMITS = """
SET LOCAL synchronous_commit = off;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '60s';
SET LOCAL client_connection_check_interval = '500ms';
SET LOCAL random_page_cost = 0;
SET LOCAL seq_page_cost = 0
"""


@dataclass(slots=True)
class Totals:
    """What was deleted, and how it ended."""

    partitions: int = 0
    events: int = 0
    sessions: int = 0
    rejected: int = 0
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """What is older than `cutoff` goes: of one application, or (None) of all."""

    application_id: int | None
    cutoff: datetime

    @property
    def whose(self) -> Q:
        return Q() if self.application_id is None else Q(application=self.application_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """How far one transaction came, what it deleted, and the sessions that it left with less."""

    end: Any = None
    partitions: int = 0
    events: int = 0
    rejected: int = 0
    sessions: int = 0
    changed: list[UUID] = field(default_factory=list)


class Busy(Exception):
    """Another run is at it."""


def limits(moment: datetime) -> list[Limit]:
    """For all, by the application that keeps longest; then for those that keep less long."""
    days = dict(Application.objects.values_list("pk", "retention_days"))
    finite = {id: n for id, n in days.items() if n is not None}
    longest = max(finite.values()) if finite and len(finite) == len(days) else None
    for_all = [] if longest is None else [Limit(None, moment - timedelta(days=longest))]
    others = {id: n for id, n in finite.items() if n != longest}
    return for_all + [Limit(id, moment - timedelta(days=n)) for id, n in others.items()]


def retain(moment: datetime, progress: Callable[[Totals], None]) -> Totals:
    """Deletes what is kept no longer at `moment`; calls `progress` after each slice."""
    totals = Totals()
    ends = monotonic() + LONGEST_RUN_SECONDS
    _await_reports(moment)
    try:
        for done in _slices(moment):
            totals.partitions += done.partitions
            totals.events += done.events
            totals.rejected += done.rejected
            totals.sessions += done.sessions
            progress(totals)
            if monotonic() >= ends:
                totals.ended = OUT_OF_TIME
                return totals
    except Busy:
        totals.ended = BUSY
        return totals
    totals.ended = DONE
    return totals


def _await_reports(moment: datetime) -> None:
    """Until those are up to date that are of what goes now: later they cannot be made of it."""
    cutoff = max((limit.cutoff for limit in limits(moment)), default=EPOCH)
    behind = Session.objects.filter(report_revision__lt=F("revision"), first_at__lt=cutoff)
    awaited = dict(behind.values_list("pk", "revision")[:AWAITED_SESSIONS])
    ends = monotonic() + REPORTS_PATIENCE_SECONDS
    while awaited and monotonic() < ends:
        sessions_changed.send(sender=None, session_ids=[*awaited])
        sleep(PAUSE_SECONDS)
        reports = Session.objects.filter(pk__in=awaited).values_list("pk", "report_revision")
        awaited = {id: awaited[id] for id, revision in reports if revision < awaited[id]}


def _slices(moment: datetime) -> Iterator[Slice]:
    while _detach(moment):
        yield from _walk(_settle, None)
    for limit in limits(moment):
        for delete, begin in ((_delete_events, NIL), (_delete_errors, EPOCH)):
            yield from _walk(partial(_delete, delete, limit, moment), begin)


def _walk(work: Callable[[Any], Slice | None], begin: Any) -> Iterator[Slice]:
    """Each goes on from the end of the one before, until there is nothing left."""
    while done := _patiently(partial(_alone, partial(work, begin))):
        if done.changed:
            sessions_changed.send(sender=None, session_ids=done.changed)
        yield done
        begin = done.end


def _patiently[T](work: Callable[[], T]) -> T:
    """Tries again where others were in the way, or PostgreSQL was away."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except OperationalError as error:
            if classify(error) is not Fault.TRANSIENT:
                raise
            connection.close_if_unusable_or_obsolete()
            sleep(PAUSE_SECONDS)
    return work()


def _alone[T](work: Callable[[], T]) -> T:
    """In a transaction of its own, while no other run is in one."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LIMITS)
        if not locks.try_retention():
            raise Busy
        return work()


def _detach(moment: datetime) -> list[str]:
    """Tables to settle and drop: those that an earlier run left, or else what is past by now."""
    try:
        return _patiently(partial(_alone, partial(_detach_past, moment)))
    except OperationalError as error:
        logger.warning("No month could be detached, so it goes by rows: %s", type(error).__name__)
        return []


def _detach_past(moment: datetime) -> list[str]:
    with connection.cursor() as cursor:
        # So that nobody begins meanwhile to keep events for longer.
        cursor.execute("LOCK TABLE tracking_application IN SHARE MODE")
    for_all = (limit.cutoff for limit in limits(moment) if limit.application_id is None)
    return partitions.detached() or partitions.detach_past(next(for_all, EPOCH))


def _settle(_: None) -> Slice | None:
    """The next sessions that had events in a detached table; after the last, the table goes."""
    table = next(iter(partitions.detached()), None)
    if table is None:
        return None
    ids = partitions.next_sessions(table, SLICE_SESSIONS)
    if not ids:
        partitions.drop(table)
        return Slice(partitions=1)
    locks.sessions(ids)
    gone = erase.gone_with_partitions(ids)
    changed, sessions = erase.settle(gone)
    partitions.note(table, ids[-1])
    return Slice(events=sum(row.events for row in gone), sessions=sessions, changed=changed)


def _delete(
    delete: Callable[[Limit, Any], Slice | None], limit: Limit, moment: datetime, begin: Any
) -> Slice | None:
    """None where nothing is left to delete."""
    if limit not in limits(moment):  # staff thought better of it meanwhile
        return None
    return delete(limit, begin)


DELETE = """
WITH gone AS (
    DELETE FROM tracking_event WHERE id = ANY(%s) RETURNING session_id, application_id
)
SELECT session_id, application_id, count(*) FROM gone GROUP BY 1, 2
"""


def _delete_events(limit: Limit, begin: UUID) -> Slice | None:
    """The oldest ones. Before `begin` are none, and what is left of them is not walked over."""
    end = first_id_at(limit.cutoff)
    aged = Event.objects.filter(limit.whose, pk__gte=begin, pk__lt=end).order_by("pk")
    rows = _of_few_sessions(aged.values_list("session_id", "pk")[:SLICE])
    if not rows:
        return None
    locks.sessions({session for session, _ in rows})
    with connection.cursor() as cursor:
        cursor.execute(DELETE, [[id for _, id in rows]])
        gone = [Removed(session, owner, count, 0) for session, owner, count in cursor.fetchall()]
    changed, sessions = erase.settle(gone)
    events = sum(row.events for row in gone)
    return Slice(end=rows[-1][1], events=events, sessions=sessions, changed=changed)


def _delete_errors(limit: Limit, begin: datetime) -> Slice | None:
    """The oldest ones likewise, and the rejected events that have no others."""
    aged = EventError.objects.filter(limit.whose, created_at__range=(begin, limit.cutoff))
    columns = aged.order_by("created_at").values_list
    rows = _of_few_sessions(columns("session_id", "created_at", "pk", "event_id")[:SLICE])
    if not rows:
        return None
    locks.sessions({session for session, *_ in rows if session})
    ids = {event for *_, event in rows}
    # A digest that rejects one of them again now is waited for, or waits and rejects it anew.
    list(RejectedEvent.objects.select_for_update().filter(pk__in=ids).order_by("pk").values("pk"))
    error_changes.delete([id for _, _, id, _ in rows])
    others = EventError.objects.filter(event__in=ids).values_list("event_id", flat=True)
    gone = erase.erase_rejected(ids - {*others})
    changed, sessions = erase.settle(gone)
    return Slice(end=rows[-1][1], rejected=len(gone), sessions=sessions, changed=changed)


def _of_few_sessions(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, which begin with their session, up to the first of one session too many."""
    sessions = set()
    few = []
    for row in rows:
        sessions.add(row[0])
        if len(sessions) > SLICE_SESSIONS:
            break
        few.append(row)
    return few
