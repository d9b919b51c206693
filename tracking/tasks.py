import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.utils.timezone import now

from tracking import digest as pipeline
from tracking import erase as erasing
from tracking import reprocess as reprocessing
from tracking import retention as keeping
from tracking.audit import Actor
from tracking.nudge import Bell, BrokerAway, publish
from tracking.reprocess import Totals


@shared_task(name="tracking.digest", ignore_result=True, acks_late=False)
def digest() -> dict[str, int]:
    return pipeline.digest_until_empty(bell)


bell = Bell(digest)


@shared_task(name="tracking.reprocess", bind=True)
def reprocess(self: "Task[Any, Any]", asked: str) -> dict[str, int]:
    """`asked` is the JSON of `{"filters": …, "actor": …}`: see `asked_for`."""
    request = json.loads(asked)

    def show(totals: Totals) -> None:
        self.update_state(state="STARTED", meta=asdict(totals))

    totals = reprocessing.reprocess(request["filters"], Actor(**request["actor"]), show)
    return asdict(totals)


@shared_task(name="tracking.erase")
def erase(session_id: str, actor: str) -> dict[str, Any]:
    """Of all applications. `actor` is the JSON of an `Actor`."""
    counts = erasing.erase_session(UUID(session_id), None, Actor(**json.loads(actor)))
    return {"session": session_id, **counts}


@shared_task(name="tracking.retention", bind=True)
def retention(self: "Task[Any, Any]") -> dict[str, Any]:
    def show(totals: keeping.Totals) -> None:
        self.update_state(state="STARTED", meta=asdict(totals))

    totals = keeping.retain(now(), show)
    if totals.ended == keeping.OUT_OF_TIME:
        with suppress(BrokerAway):  # tomorrow, then
            publish(self)
    return asdict(totals)


def asked_for(filters: dict[str, Any], actor: Actor) -> str:
    return json.dumps({"filters": filters, "actor": asdict(actor)}, default=str)
