from collections.abc import Collection
from typing import Any
from uuid import UUID

from celery import shared_task

from reports import builder, contributions, heat_contributions, rollup, trails
from reports import rebuild as rebuilds
from reports.models import PointerSecond, SessionReport
from tracking import audit
from tracking.audit import Actor
from tracking.models import AuditEntry
from tracking.nudge import Bell, publish


@shared_task(name="reports.build_stale", ignore_result=True, acks_late=False)
def build_stale() -> dict[str, int]:
    totals = builder.build_stale(bell)
    if totals["built"]:
        rollup_bell.ring()
    if rebuilds.see_to_it():
        rebuild_bell.ring()
    return totals


@shared_task(name="reports.rebuild", ignore_result=True, acks_late=False)
def rebuild() -> dict[str, int]:
    totals = rebuilds.run(rebuild_bell)
    rollup_bell.ring()
    return totals


@shared_task(
    name="reports.recompute",
    autoretry_for=(builder.Busy,),
    # For about half an hour: a long session waits until no other long one is folded.
    retry_backoff=1,
    retry_backoff_max=10,
    max_retries=360,
    # A session that kills its worker is a failure to be seen, not one to be tried for ever.
    reject_on_worker_lost=False,
)
def recompute(session_id: str) -> dict[str, Any]:
    try:
        built = builder.recompute(UUID(session_id))
    except builder.EventsExpired as refusal:
        return {"session": session_id, "refused": str(refusal)}
    rollup_bell.ring()
    return {"session": session_id, "revision": built.revision}


@shared_task(name="reports.roll_up", ignore_result=True, acks_late=False)
def roll_up() -> dict[str, int]:
    return rollup.roll_up(rollup_bell)


@shared_task(name="reports.trail", reject_on_worker_lost=False)
def compute_trail(session_id: str) -> dict[str, Any]:
    kept = trails.compute(UUID(session_id))
    return {"session": session_id, "revision": kept.revision if kept else None}


def ask_to_recompute(session_id: UUID, actor: Actor) -> str:
    """Queues it, and notes who asked; the task's id. Raises `BrokerAway`."""
    task = publish(recompute, str(session_id))
    audit.record(actor, AuditEntry.Action.RECOMPUTED, session_id, task=task)
    return task


bell = Bell(build_stale)
rebuild_bell = Bell(rebuild)
# What changes within a second is summed at once.
rollup_bell = Bell(roll_up, pause=1.0)


def ring(**signal: object) -> None:
    """What `sessions_changed` calls, in whichever process digested."""
    bell.ring()
    rollup_bell.ring()


def take_back(instance: SessionReport, **signal: object) -> None:
    contributions.take_back(instance)
    heat_contributions.take_back(instance)


def forget(session_id: UUID, **signal: object) -> None:
    """What the next build makes of the events that are left owes nothing to those that went."""
    SessionReport.objects.filter(pk=session_id).delete()
    PointerSecond.objects.filter(session=session_id).delete()
    trails.drop([session_id])


def forget_trails(session_ids: Collection[UUID], **signal: object) -> None:
    trails.drop(session_ids)
