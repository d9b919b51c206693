"""Building reports: from a session's events, or from its report's state and what came since.

A build reads the session, its events and its report in one snapshot. It goes on from the stored
state where the events after the last one folded, together with those folded, are all the session
has; a late event makes the sum wrong, and the session is folded anew. So it is where a stored
event was changed or removed since: `Session.rewritten` says in which revision.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from time import sleep
from typing import Any
from uuid import UUID

import msgspec
from django.db import Error, IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.utils.timezone import now

from reports.fold import (
    Folded,
    FoldEvent,
    Metrics,
    OutOfOrder,
    State,
    finish,
    fold_in_order,
)
from reports.models import PointerSecond, SessionReport
from reports.moments import moment
from reports.parameters import PARAMETERS
from tracking import locks
from tracking.faults import Fault, classify, sqlstate
from tracking.models import Session
from tracking.nudge import Bell, Shift

logger = logging.getLogger(__name__)

STALE_AT_ONCE = 100
# One task does not hold its worker for longer than this, but for the session it is at; another one
# goes on.
SHIFT_SECONDS = 1.0
# A report whose session goes on is built anew after this long at the earliest.
PAUSE_SECONDS = 0.05
ATTEMPTS = 5
SERIALIZATION_FAILURE = "40001"
UNIQUE_VIOLATION = "23505"


class Busy(Exception):
    """Another worker is building this report right now."""


@dataclass(frozen=True, slots=True)
class Built:
    """Which revision a build saw, and whether it folded all events anew."""

    session_id: UUID
    revision: int
    anew: bool


def build_stale(bell: Bell | None = None) -> dict[str, int]:
    """Builds every stale report, latest sessions first, or what fits in a shift."""
    totals = {"built": 0, "failed": 0}
    passed_over: set[UUID] = set()
    shift = Shift(bell, SHIFT_SECONDS)
    while stale := stale_sessions(passed_over) or _last_look(passed_over, shift):
        for session_id in stale:
            if not shift.goes_on():
                break
            try:
                build(session_id)
                totals["built"] += 1
            except (Busy, Session.DoesNotExist):  # or it was erased meanwhile
                passed_over.add(session_id)
            except Exception as error:
                # One session that cannot be built must not keep the others from it.
                if _befalls_all(error):
                    raise
                logger.exception("The report of session %s cannot be built", session_id)
                passed_over.add(session_id)
                totals["failed"] += 1
        if not shift.goes_on():
            break
        if bell:
            sleep(PAUSE_SECONDS)
    shift.end()
    return totals


def _last_look(passed_over: Iterable[UUID], shift: Shift) -> list[UUID]:
    shift.last_look()
    return stale_sessions(passed_over)


def _befalls_all(error: Exception) -> bool:
    """Whether it is the database that fails, and would with every other session too."""
    if not isinstance(error, Error) or sqlstate(error) == SERIALIZATION_FAILURE:
        return False
    return classify(error) in {Fault.TRANSIENT, Fault.DEPLOYMENT}


def stale_sessions(passed_over: Iterable[UUID]) -> list[UUID]:
    """Sessions with new events, latest first; then those with a report of another version."""
    sessions = Session.objects.exclude(pk__in=passed_over).values_list("pk", flat=True)
    changed = sessions.filter(report_revision__lt=F("revision"))
    latest_first = changed.order_by(F("last_at").desc(nulls_last=True))[:STALE_AT_ONCE]
    current = PARAMETERS.version
    outdated = sessions.filter(Q(report__version__lt=current) | Q(report__version__gt=current))
    return list(latest_first) or list(outdated[:STALE_AT_ONCE])


def recompute(session_id: UUID) -> Built:
    """Folds a session anew, whatever its report says. Raises as `build` does."""
    return build(session_id, anew=True)


def build(session_id: UUID, anew: bool = False) -> Built:
    """Brings one report up to date, and says in the session which revision it now has.

    Raises `Session.DoesNotExist`, and `Busy` where another worker is at it.
    """
    built = _build_against_others(session_id, anew)
    # Apart from the snapshot, which an event that came meanwhile would make fail here. Where the
    # session was erased since, and begun anew, this report is gone and its revision of no meaning.
    Session.objects.filter(
        pk=session_id, report_revision__lt=built.revision, report__revision__gte=built.revision
    ).update(report_revision=built.revision)
    return built


def _build_against_others(session_id: UUID, anew: bool) -> Built:
    """Looks again where another build committed between this one's snapshot and its lock."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _build_in_snapshot(session_id, anew)
        except (OperationalError, IntegrityError) as error:
            if sqlstate(error) not in {SERIALIZATION_FAILURE, UNIQUE_VIOLATION}:
                raise
    return _build_in_snapshot(session_id, anew)


def _build_in_snapshot(session_id: UUID, anew: bool) -> Built:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if not locks.try_session(session_id):
            raise Busy
        session = Session.objects.get(pk=session_id)
        report = SessionReport.objects.filter(pk=session_id).first()
        continued = None if anew else _continue(session, report)
        folded = continued or fold_in_order(None, _events(session_id, None), PARAMETERS)
        _save(session, report, folded, anew=continued is None)
    return Built(session_id, session.revision, continued is None)


def _continue(session: Session, report: SessionReport | None) -> Folded | None:
    """The report's state with the events after it; None where they are not all there is."""
    if report is None or report.state is None or report.version != PARAMETERS.version:
        return None
    if report.revision < session.rewritten:
        return None
    try:
        state = State.from_json(bytes(report.state))
        folded = fold_in_order(state, _events(session.pk, state.last_id), PARAMETERS)
    except (OutOfOrder, msgspec.DecodeError):
        return None
    return folded if folded.state.events == session.event_count else None


EVENTS = """
SELECT id, "timestamp", category, name, data::text
  FROM tracking_event WHERE session_id = %s AND id > %s ORDER BY id
"""
NIL = UUID(int=0)


def _events(session_id: UUID, after: UUID | None) -> Iterator[FoldEvent]:
    """A session's events after the last one folded, in the order of the fold, page by page."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(EVENTS, [session_id, after or NIL])
        for row in cursor:
            yield FoldEvent(*row)


def _save(session: Session, report: SessionReport | None, folded: Folded, anew: bool) -> None:
    number = report.build + 1 if report else 1
    metrics = finish(
        folded.state, errors=session.error_count, clock_offset_ms=session.clock_offset_ms
    )
    SessionReport(
        session=session,
        revision=session.revision,
        computed_at=now(),
        data_until=_data_until(folded.state),
        build=number,
        anew_build=number if anew or report is None else report.anew_build,
        state=folded.state.to_json(),
        **_columns(metrics),
    ).save(force_insert=report is None, force_update=report is not None)
    if anew:
        PointerSecond.objects.filter(session=session).delete()
    PointerSecond.objects.bulk_create(
        [
            PointerSecond(session=session, build=number, **second._asdict())
            for second in folded.seconds
        ],
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["session", "second"],
        update_fields=["distance_px", "moving_ms", "peak_speed", "samples", "build"],
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
