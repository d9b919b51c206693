"""The reports of some sessions, each made from its events, or from its state and what came since.

The sessions, their events and their reports are read in one snapshot. A build goes on from the
stored state where the events after the last one folded, together with those folded, are all the
session has; a late event makes the sum wrong, and the session is folded anew. So it is where a
stored event was changed or removed since: `Session.rewritten` says in which revision. Where some of
its events have expired it cannot be folded anew, and the report is kept as it is, marked final.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils.timezone import now

from reports import contributions, heat_contributions, series, trails
from reports.fold import Folded, FoldEvent, Metrics, OutOfOrder, State, finish, fold_in_order
from reports.models import PointerSecond, SessionReport
from reports.moments import moment
from reports.parameters import LONG_EVENTS, PARAMETERS
from tracking import locks
from tracking.ids import NIL, micros_of
from tracking.models import Session

# What a crash undoes is built again, so that no build need wait for the disk.
BEFORE = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET LOCAL synchronous_commit = off;
SET LOCAL jit = off;
"""
COLUMNS = [field.name for field in SessionReport._meta.concrete_fields if not field.primary_key]


EVENTS = """
SELECT id, "timestamp", category, name, data::text, application_id
  FROM tracking_event WHERE session_id = %s AND id > %s ORDER BY id
"""
EVENTS_OF_SEVERAL = """
SELECT place, event.*
  FROM unnest(%s::uuid[], %s::uuid[]) WITH ORDINALITY AS sought(session_id, after, place), LATERAL (
    SELECT id, "timestamp", category, name, data::text, application_id
      FROM tracking_event WHERE session_id = sought.session_id AND id > sought.after
  ) AS event
 ORDER BY place, id
"""
NO_MORE: tuple[float, Iterable[Any]] = (inf, ())


@dataclass(frozen=True, slots=True)
class Built:
    """Which revision a build saw, and whether it folded all events anew, or kept what it found."""

    session_id: UUID
    revision: int
    anew: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """A session, its report if it has one, the state to go on from if that may do, and the number
    of this build.

    The first one's is the time, in µs since 1970: where an earlier report was erased, who has read
    that one's builds is not to take these for the same.
    """

    session: Session
    report: SessionReport | None
    state: State | None
    number: int

    @property
    def after(self) -> UUID:
        """The event after which those lie that are not in the state."""
        return (self.state and self.state.last_id) or NIL

    @property
    def is_current(self) -> bool:
        """Whether somebody else has built the report since it was found to be stale."""
        report = self.report
        if report is None or report.version != PARAMETERS.version:
            return False
        return report.revision >= self.session.revision

    @property
    def events(self) -> int:
        """How many the report is of."""
        return self.session.total_events

    @property
    def is_long(self) -> bool:
        here = self.session.event_count
        return (self.events - self.state.events if self.state else here) > LONG_EVENTS

    @property
    def must_be_kept(self) -> bool:
        """Whether the report cannot be made of the events that are there."""
        is_there = self.report is not None
        return is_there and self.state is None and self.session.expired_events > 0


def build_in_snapshot(session_ids: Sequence[UUID], anew: bool = False) -> list[Built]:
    """Brings these reports up to date, but for those of sessions that are gone or in other hands.

    A long session that cannot be gone on with is only noted as such, and so comes out as to be
    built alone.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(BEFORE)
        due = _due(locks.try_sessions(session_ids), anew)
        current = [] if anew else [one for one in due if one.is_current]
        due = [one for one in due if one not in current]
        if any(one.is_long and not one.must_be_kept for one in due) and not locks.try_long_fold():
            return []
        folded = _folded([one for one in due if not one.must_be_kept])
        kept = []
        for one in due:
            if one in folded:
                continue
            begun = replace(one, state=None)
            if one.state is None or begun.must_be_kept:
                kept.append(begun)
            elif begun.is_long and not anew:
                SessionReport.objects.filter(pk=begun.session.pk).update(state=None)
            elif found := _folded([begun]):
                folded |= found
            else:
                kept.append(begun)
        _save(folded)
        _keep(kept, anew)
    return [
        *(Built(one.session.pk, one.session.revision, one.state is None) for one in folded),
        *(Built(one.session.pk, one.session.revision) for one in current),
        *(Built(one.session.pk, _seen(one, anew), kept=True) for one in kept),
    ]


def _due(session_ids: Collection[UUID], anew: bool) -> list[Due]:
    reports = SessionReport.objects.in_bulk(session_ids)
    due = []
    for session in Session.objects.filter(pk__in=session_ids):
        report = reports.get(session.pk)
        state = None if anew else _state(session, report)
        number = report.build + 1 if report else micros_of(now())
        due.append(Due(session, report, state, number))
    return due


def _state(session: Session, report: SessionReport | None) -> State | None:
    """What the fold may go on from, as far as that can be told without looking at the events."""
    if report is None or report.state is None or report.version != PARAMETERS.version:
        return None
    if report.revision < session.rewritten or report.application_ids is None:
        return None
    try:
        return State.from_json(bytes(report.state))
    except msgspec.DecodeError:
        return None


def _folded(due: Sequence[Due]) -> dict[Due, Folded]:
    """But for those that have to be folded anew, and cannot be where events are missing.

    A month is detached before its sessions know of it: see tracking/retention.py.
    """
    found: dict[Due, Folded] = {}
    for one, events in _with_events(due):
        try:
            folded = fold_in_order(one.state, events, PARAMETERS)
        except OutOfOrder:
            if one.state is None:
                raise
            continue
        if one.report is None or folded.state.events == one.events:
            found[one] = folded
    return found


def _senders(folded: Folded) -> set[int]:
    return {id for minute in folded.minutes.values() for id in minute.events}


def _with_events(due: Sequence[Due]) -> Iterator[tuple[Due, Iterator[FoldEvent]]]:
    """The events that are not in the state, in the order of the fold, as they come in."""
    with connection.chunked_cursor() as cursor:
        if len(due) == 1:
            cursor.execute(EVENTS, [due[0].session.pk, due[0].after])
            yield due[0], map(FoldEvent._make, cursor)
        elif due:
            sessions = [one.session.pk for one in due], [one.after for one in due]
            cursor.execute(EVENTS_OF_SEVERAL, sessions)
            groups = groupby(cursor, key=itemgetter(0))
            place, rows = next(groups, NO_MORE)
            for here, one in enumerate(due, start=1):
                if here < place:
                    yield one, iter(())
                    continue
                yield one, (FoldEvent._make(row[1:]) for row in rows)
                place, rows = next(groups, NO_MORE)


def _save(folded: Mapping[Due, Folded]) -> None:
    reports = {one: _report(one, result) for one, result in folded.items()}
    SessionReport.objects.bulk_create(
        reports.values(),
        update_conflicts=True,
        unique_fields=["session"],
        update_fields=COLUMNS,
    )
    anew = [one.session.pk for one in folded if one.state is None and one.report]
    if anew:
        PointerSecond.objects.filter(session__in=anew).delete()
        trails.drop_rewritten(anew)
    series.store(
        (one.session.pk, one.number, second)
        for one, result in folded.items()
        for second in result.seconds
    )
    builds = [
        contributions.Build(
            one.report, reports[one], result.minutes, result.heat, anew=one.state is None
        )
        for one, result in folded.items()
    ]
    contributions.contribute(builds)
    heat_contributions.contribute(builds)


def _keep(due: Sequence[Due], anew: bool) -> None:
    """What cannot be gone on from is dropped; to ask for it anew changes nothing of that."""
    if not due:
        return
    ids = [one.session.pk for one in due]
    reports = SessionReport.objects.filter(pk__in=ids)
    reports.update(final=True, **({} if anew else {"state": None}))
    trails.drop_rewritten(ids)


def _seen(one: Due, anew: bool) -> int:
    """What is new in a session may still be gone on with, where it was only asked for anew."""
    return one.report.revision if anew and one.report else one.session.revision


def _report(one: Due, folded: Folded) -> SessionReport:
    errors, offset = one.session.error_count, one.session.clock_offset_ms
    metrics = finish(folded.state, errors=errors, clock_offset_ms=offset)
    went_on = one.state is not None and one.report is not None
    known = (one.report.application_ids if one.report and went_on else None) or ()
    is_whole = folded.state.events == one.events
    return SessionReport(
        session=one.session,
        revision=one.session.revision,
        computed_at=now(),
        data_until=_data_until(folded.state),
        build=one.number,
        anew_build=one.report.anew_build if one.report and went_on else one.number,
        final=not is_whole or (one.report is not None and one.report.final and went_on),
        state=folded.state.to_json() if is_whole else None,
        application_ids=sorted({*known, *_senders(folded)}),
        **_columns(metrics),
    )


def _data_until(state: State) -> datetime | None:
    """The time of the last sample, which a path has after its event's timestamp."""
    last = state.pointer.last
    times = [state.activity.last_us, last.t if last else None]
    return moment(max(known)) if (known := [us for us in times if us is not None]) else None


def _columns(metrics: Metrics) -> dict[str, Any]:
    """Every number of the report; the columns have their names."""
    return {name: getattr(metrics, name) for name in metrics.__struct_fields__} | {
        "flags": list(metrics.flags)
    }
