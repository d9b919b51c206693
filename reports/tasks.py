from typing import Any
from uuid import UUID

from celery import shared_task

from reports import builder
from tracking.nudge import Bell


@shared_task(name="reports.build_stale", ignore_result=True, acks_late=False)
def build_stale() -> dict[str, int]:
    return builder.build_stale(bell)


@shared_task(
    name="reports.recompute",
    autoretry_for=(builder.Busy,),
    retry_backoff=1,
    max_retries=5,
    # A session that kills its worker is a failure to be seen, not one to be tried for ever.
    reject_on_worker_lost=False,
)
def recompute(session_id: str) -> dict[str, Any]:
    built = builder.recompute(UUID(session_id))
    return {"session": session_id, "revision": built.revision}


bell = Bell(build_stale)


def ring(**signal: object) -> None:
    """What `sessions_changed` calls, in whichever process digested."""
    bell.ring()
