"""Which reports are built when, and what happens where that fails. assembly.py builds them."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from time import monotonic, sleep
from uuid import UUID

from django.db import Error, IntegrityError, OperationalError, connection, transaction
from django.db.models import BigIntegerField, Case, F, When
from django.db.models.expressions import Combinable

from reports.assembly import Built, build_in_snapshot
from reports.models import WHY_FINAL, SessionReport
from reports.parameters import LONG_EVENTS, PARAMETERS
from tracking import locks
from tracking.faults import Fault, classify, sqlstate
from tracking.models import Session
from tracking.nudge import Bell, Shift

__all__ = [
    "Built",
    "Busy",
    "EventsExpired",
    "build",
    "build_each",
    "build_stale",
    "has_news",
    "portions",
    "recompute",
    "refuse_expired",
    "sizes_of",
    "stale_sessions",
]

logger = logging.getLogger(__name__)

STALE_AT_ONCE = 100
# Reports are built several at a time, as long as their sessions have no more new events than this.
EVENTS_AT_ONCE = 2_000
SESSIONS_AT_ONCE = 25
# One task does not hold its worker for longer than this, but for the session it is at; another one
# goes on.
SHIFT_SECONDS = 1.0
# One worker looks for stale reports so often, or as soon as it is done with those it found: what
# comes in between is built together.
EVERY_SECONDS = 0.15
# Where a build fails, or takes so long, the session's next one comes after the others': this much
# later, or so many times as long as it took, that those which take as long have their turn too.
SLOW_SECONDS = 0.5
LATER_SECONDS = 5.0
LATER_TIMES = 5
ATTEMPTS = 5
SERIALIZATION_FAILURE = "40001"
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"


WITH_NEWS = Session.objects.filter(report_revision__lt=F("revision"))


class EventsExpired(Exception):
    """Events that the report is of are gone, so that it cannot be computed anew."""


class Busy(Exception):
    """Another worker is building this report right now."""


def build_stale(bell: Bell | None = None) -> dict[str, int]:
    """Builds every stale report, latest sessions first, or what fits in a shift."""
    totals = {"built": 0, "failed": 0}
    later, busy = _later if bell else Later(), set[UUID]()
    shift = Shift(bell, SHIFT_SECONDS)
    goes_on = True
    while goes_on:
        looked = monotonic()
        stale = stale_sessions(later.now() | busy)
        behind = len(stale) == STALE_AT_ONCE
        is_last_look = not stale
        if is_last_look:  # who was busy may have left it to this worker
            shift.last_look()
            busy.clear()
            stale = stale_sessions(later.now())
        built = 0
        sizes = sizes_of(stale)
        for portion in portions(sizes, later.slow):
            if sizes[portion[0]] > LONG_EVENTS:
                if _somebody_folds_a_long_one():
                    busy |= {*portion}
                    continue
                shift.hand_over()  # for as long as it takes, another one builds the others
            began = monotonic()
            done, failed = build_each(portion)
            built += len(done)
            totals["failed"] += len(failed)
            # Or it was erased meanwhile.
            busy |= {*portion} - {one.session_id for one in done} - {*failed}
            later.add(failed)
            later.note(portion, took=monotonic() - began)
            goes_on = shift.goes_on(behind)
            if not goes_on:
                break
        totals["built"] += built
        if built:  # meanwhile, others are done with what they were busy with
            busy.clear()
        if is_last_look and not built:
            break
        if bell and goes_on:
            sleep(max(0.0, EVERY_SECONDS - (monotonic() - looked)))
    shift.end()
    return totals


def _somebody_folds_a_long_one() -> bool:
    with transaction.atomic():
        return not locks.try_long_fold()


class Later:
    """Sessions that have to wait: those whose builds fail, or are slow, would hold up all others.

    Of several that were slow together, each is built alone the next time, which shows whose fault
    it was.
    """

    def __init__(self) -> None:
        self.until: dict[UUID, float] = {}
        self.slow: set[UUID] = set()

    def note(self, portion: Collection[UUID], took: float) -> None:
        """A portion that took so many seconds to build."""
        if took <= SLOW_SECONDS:
            return
        if len(portion) > 1:
            self.slow = {*portion}
        else:
            self.add(portion, LATER_TIMES * took)

    def add(self, session_ids: Iterable[UUID], seconds: float = 0.0) -> None:
        """To wait for so many seconds, and for `LATER_SECONDS` at the least."""
        until = monotonic() + max(LATER_SECONDS, seconds)
        self.until |= dict.fromkeys(session_ids, until)

    def now(self) -> set[UUID]:
        """Which these are."""
        self.until = {id: until for id, until in self.until.items() if until > monotonic()}
        return {*self.until}


_later = Later()


# The events after those of a report that can be gone on from; else all, unless it has to be kept.
TO_FOLD = Case(
    When(
        report__version=PARAMETERS.version,
        report__state__isnull=False,
        report__revision__gte=F("rewritten"),
        event_count__gte=F("report__events") - F("expired_events"),
        then=F("event_count") + F("expired_events") - F("report__events"),
    ),
    When(report__isnull=False, expired_events__gt=0, then=0),
    default=F("event_count"),
    output_field=BigIntegerField(),
)


def sizes_of(session_ids: Sequence[UUID], size: Combinable = TO_FOLD) -> dict[UUID, int]:
    """How many events of each are to be folded, in the same order."""
    sizes = dict(Session.objects.filter(pk__in=session_ids).values_list("pk", size))
    return {session_id: sizes.get(session_id, 0) for session_id in session_ids}


def portions(sizes: Mapping[UUID, int], alone: Collection[UUID] = ()) -> Iterator[list[UUID]]:
    """In the same order; whoever has many events to be folded goes alone, as do these."""
    portion: list[UUID] = []
    size = 0
    for session_id, events in sizes.items():
        goes_alone = events > LONG_EVENTS or session_id in alone
        more = EVENTS_AT_ONCE + 1 if goes_alone else events
        if portion and (len(portion) == SESSIONS_AT_ONCE or size + more > EVENTS_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(session_id)
        size += more
    if portion:
        yield portion


def build_each(session_ids: list[UUID], anew: bool = False) -> tuple[list[Built], list[UUID]]:
    """Which were built, together or, where that fails, one by one; and which failed."""
    try:
        return _build(session_ids, anew), []
    except Exception as error:
        # One session that cannot be built must not keep the others from it.
        if _befalls_all(error):
            raise
        if len(session_ids) == 1:
            logger.exception("The report of session %s cannot be built", session_ids[0])
            return [], session_ids
    each = (build_each([session_id], anew) for session_id in session_ids)
    done, failed = zip(*each, strict=True)
    return [*chain(*done)], [*chain(*failed)]


def _befalls_all(error: Exception) -> bool:
    """Whether it is the database that fails, and would with every other session too."""
    if not isinstance(error, Error) or sqlstate(error) in {SERIALIZATION_FAILURE, QUERY_CANCELED}:
        return False
    return classify(error) in {Fault.TRANSIENT, Fault.DEPLOYMENT}


def stale_sessions(passed_over: Iterable[UUID]) -> list[UUID]:
    """Sessions with news, latest first. Reports of another version are for rebuild.py."""
    news = WITH_NEWS.exclude(pk__in=passed_over).order_by(F("last_at").desc(nulls_last=True))
    return list(news.values_list("pk", flat=True)[:STALE_AT_ONCE])


def has_news() -> bool:
    return WITH_NEWS.exists()


def recompute(session_id: UUID) -> Built:
    """Folds a session anew, whatever its report says. Raises as `build` and `refuse_expired` do."""
    refuse_expired(session_id)
    built = build(session_id, anew=True)
    if built.kept:
        raise EventsExpired(WHY_FINAL)
    return built


def refuse_expired(session_id: UUID) -> None:
    """Raises `EventsExpired`, and marks the report as final, where events of it have expired."""
    reports = SessionReport.objects.filter(pk=session_id, session__expired_events__gt=0)
    if reports.update(final=True):
        raise EventsExpired(WHY_FINAL)


def build(session_id: UUID, anew: bool = False) -> Built:
    """Brings one report up to date, and says in the session which revision it now has.

    Raises `Session.DoesNotExist`, and `Busy` where another worker is at it.
    """
    if built := _build([session_id], anew):
        return built[0]
    Session.objects.only("pk").get(pk=session_id)
    raise Busy


# In the order of the ids, as whoever stores events takes them. Where a session was erased since,
# and begun anew, its report is gone and the revision of no meaning.
NOTE = """
SET LOCAL synchronous_commit = off;
WITH built AS (
    SELECT id, built.revision
      FROM tracking_session JOIN unnest(%s::uuid[], %s::bigint[]) AS built(id, revision) USING (id)
     WHERE report_revision < built.revision
       AND EXISTS (SELECT FROM reports_sessionreport AS report
                    WHERE report.session_id = id
                      AND (report.final OR report.revision >= built.revision))
     ORDER BY id FOR NO KEY UPDATE OF tracking_session
)
UPDATE tracking_session SET report_revision = built.revision
  FROM built WHERE tracking_session.id = built.id
"""


def _build(session_ids: Sequence[UUID], anew: bool = False) -> list[Built]:
    """Those of these reports that could be built. Notes it apart from their snapshot.

    There, an event that came meanwhile would make the note fail.
    """
    built = _build_against_others(session_ids, anew)
    if not built:
        return []
    columns = [one.session_id for one in built], [one.revision for one in built]
    with connection.cursor() as cursor:
        cursor.execute(NOTE, columns)
    return built


def _build_against_others(session_ids: Sequence[UUID], anew: bool) -> list[Built]:
    """Looks again where another build committed between this one's snapshot and its locks."""
    for _ in range(ATTEMPTS - 1):
        try:
            return build_in_snapshot(session_ids, anew)
        except (OperationalError, IntegrityError) as error:
            if sqlstate(error) not in {SERIALIZATION_FAILURE, UNIQUE_VIOLATION}:
                raise
    return build_in_snapshot(session_ids, anew)
