"""Building all reports anew, newest session first, beside the live ones.

Slice by slice, in short tasks: a slice runs while no session has news, and where some always has, one
every `PATIENCE`. Whoever has built what is stale rings for the next, so that a killed worker only
makes a pause. How far it came is noted with the slice; a slice that was built and not noted is built
again, which changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.timezone import now

from reports import builder
from reports.models import Rebuild, SessionReport
from reports.parameters import PARAMETERS, VERSION
from reports.staleness import OUTDATED
from tracking import audit
from tracking.audit import Actor
from tracking.models import AuditEntry, Session
from tracking.nudge import Bell, Shift

SLICE = 25
SHIFT_SECONDS = 1.0
PATIENCE = timedelta(seconds=2)
# Reports that are outdated after a rebuild could not be built: they are tried again after so long.
AGAIN = timedelta(hours=1)
OURSELVES = Actor("The Eye")
ASKED_FOR = "asked for"
NEW_ALGORITHM = "the algorithm changed"


class Conflict(Exception):
    """Not in the state that it is in; the message says what to do."""


def begin(actor: Actor, *, only_outdated: bool = False) -> Rebuild:
    """Raises `Conflict` where one runs already, or is paused."""
    total = wanted(only_outdated).count()
    try:
        with transaction.atomic():
            rebuild = Rebuild.objects.create(
                started_by=actor.name[:200],
                reason=NEW_ALGORITHM if only_outdated else ASKED_FOR,
                version=PARAMETERS.version,
                only_outdated=only_outdated,
                total=total,
            )
            action = AuditEntry.Action.REBUILD_STARTED
            audit.record(actor, action, rebuild.pk, reason=rebuild.reason, reports=total)
    except IntegrityError:
        raise Conflict(
            "Reports are being rebuilt already, or this is paused: look at it, resume or cancel it."
        ) from None
    return rebuild


def pause(actor: Actor, pk: int | None = None) -> Rebuild:
    """The one that runs, or only this one: `Conflict` where it is another, or none."""
    return _change(actor, pk, Rebuild.State.RUNNING, Rebuild.State.PAUSED, "REBUILD_PAUSED")


def resume(actor: Actor, pk: int | None = None) -> Rebuild:
    return _change(actor, pk, Rebuild.State.PAUSED, Rebuild.State.RUNNING, "REBUILD_RESUMED")


def cancel(actor: Actor, pk: int | None = None) -> Rebuild:
    with transaction.atomic():
        rebuild = _locked(pk, Rebuild.State.RUNNING, Rebuild.State.PAUSED)
        rebuild.finished_at = now()
        return _changed(rebuild, actor, Rebuild.State.CANCELLED, "REBUILD_CANCELLED")


def _change(
    actor: Actor, pk: int | None, before: Rebuild.State, after: Rebuild.State, action: str
) -> Rebuild:
    with transaction.atomic():
        return _changed(_locked(pk, before), actor, after, action)


def _locked(pk: int | None, *states: Rebuild.State) -> Rebuild:
    """Raises `Conflict` where none is in one of these states, or not the one that is meant."""
    meant = Rebuild.objects.filter(state__in=states)
    if pk is not None:
        meant = meant.filter(pk=pk)
    rebuild = meant.select_for_update().first()
    if rebuild is None:
        is_not = "No rebuild of reports is" if pk is None else f"Rebuild {pk} is not"
        is_in = " or ".join(state.label.lower() for state in states)
        raise Conflict(f"{is_not} {is_in}. Look at the latest, or begin one.")
    return rebuild


def _changed(rebuild: Rebuild, actor: Actor, state: Rebuild.State, action: str) -> Rebuild:
    rebuild.state = state
    rebuild.updated_at = now()
    rebuild.save(update_fields=["state", "updated_at", "finished_at"])
    audit.record(actor, AuditEntry.Action[action], rebuild.pk)
    return rebuild


def see_to_it() -> bool:
    """Begins one where the algorithm has changed; whether one runs."""
    latest = Rebuild.objects.first()
    if latest and latest.finished_at is None:
        return latest.state == Rebuild.State.RUNNING
    if not _is_due(latest) or not wanted(only_outdated=True).exists():
        return False
    try:
        begin(OURSELVES, only_outdated=True)
    except Conflict:  # somebody else was quicker
        return False
    return True


def _is_due(latest: Rebuild | None) -> bool:
    if latest is None or latest.finished_at is None:
        return True
    if latest.version != PARAMETERS.version:
        return not _is_of_later_algorithm(latest)
    was_cancelled = latest.state == Rebuild.State.CANCELLED
    return not was_cancelled and latest.finished_at < now() - AGAIN


def run(bell: Bell | None = None) -> dict[str, int]:
    """Builds slices for a shift, or until live reports have their turn."""
    shift = Shift(bell, SHIFT_SECONDS)
    slices = 0
    while (rebuild := _at_work()) and _slice(rebuild):
        slices += 1
        if not shift.goes_on():
            break
    else:
        shift.last_look()
    shift.end()
    return {"slices": slices}


def _at_work() -> Rebuild | None:
    """The one that runs, if it has its turn, and this worker may do it."""
    rebuild = Rebuild.objects.filter(state=Rebuild.State.RUNNING).first()
    if rebuild is None or _is_of_later_algorithm(rebuild):
        return None
    if builder.has_news() and now() < rebuild.updated_at + PATIENCE:
        return None
    return rebuild


def _is_of_later_algorithm(rebuild: Rebuild) -> bool:
    """Whether newer workers began it: what they make is not to be made again in the old way."""
    return int(rebuild.version.partition(":")[0]) > VERSION


def _slice(rebuild: Rebuild) -> bool:
    """Whether it went on by one, which is of the next reports as many as are built together."""
    reports = next_reports(rebuild)
    if not reports:
        _note(rebuild, state=Rebuild.State.DONE, finished_at=now())
        return False
    ends = dict(reports)
    portion = next(builder.portions(builder.sizes_of([*ends], F("event_count"))))
    built, failed = builder.build_each(portion, anew=True)
    left = {*portion} - {one.session_id for one in built} - {*failed}
    if Session.objects.filter(pk__in=left).exists():  # in other hands
        return False
    kept = sum(one.kept for one in built)
    return _note(
        rebuild,
        cursor_ended_at=ends[portion[-1]],
        cursor_session=portion[-1],
        done=rebuild.done + len(built) - kept,
        skipped=rebuild.skipped + kept,
        failed=rebuild.failed + len(failed),
    )


def _note(rebuild: Rebuild, **progress: object) -> bool:
    """False where it was paused meanwhile, or another worker was quicker."""
    as_it_was = Rebuild.objects.filter(
        pk=rebuild.pk, state=Rebuild.State.RUNNING, cursor_session=rebuild.cursor_session
    )
    for name, value in (progress | {"updated_at": now()}).items():
        setattr(rebuild, name, value)
    return bool(as_it_was.update(**progress, updated_at=rebuild.updated_at))


def wanted(only_outdated: bool) -> QuerySet[SessionReport]:
    return SessionReport.objects.filter(OUTDATED) if only_outdated else SessionReport.objects.all()


def next_reports(rebuild: Rebuild) -> Sequence[tuple[UUID, datetime | None]]:
    """Session and end of the next ones, by the index `report_latest`; without an end come last."""
    reports = wanted(rebuild.only_outdated)
    dated = reports.filter(ended_at__isnull=False)
    undated = reports.filter(ended_at=None)
    ended_at, session = rebuild.cursor_ended_at, rebuild.cursor_session
    if session is None:
        return _first(dated) or _first(undated)
    if ended_at is None:
        return _first(undated.filter(pk__lt=session))
    after = Q(ended_at__lt=ended_at) | Q(pk__lt=session)
    return _first(dated.filter(after, ended_at__lte=ended_at)) or _first(undated)


def _first(reports: QuerySet[SessionReport]) -> Sequence[tuple[UUID, datetime | None]]:
    rows: Iterable[tuple[UUID, datetime | None]] = reports.values_list("pk", "ended_at")[:SLICE]
    return list(rows)
