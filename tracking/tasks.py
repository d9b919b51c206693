import json
from dataclasses import asdict
from typing import Any

from celery import Task, shared_task

from tracking import digest as pipeline
from tracking import reprocess as reprocessing
from tracking.audit import Actor
from tracking.nudge import Bell
from tracking.reprocess import Totals


@shared_task(name="tracking.digest", ignore_result=True, acks_late=False)
def digest() -> dict[str, int]:
    bell.answered()
    return pipeline.digest_until_empty()


bell = Bell(digest)


@shared_task(name="tracking.reprocess", bind=True)
def reprocess(self: "Task[Any, Any]", asked: str) -> dict[str, int]:
    """`asked` is the JSON of `{"filters": …, "actor": …}`: see `asked_for`."""
    request = json.loads(asked)

    def show(totals: Totals) -> None:
        self.update_state(state="STARTED", meta=asdict(totals))

    totals = reprocessing.reprocess(request["filters"], Actor(**request["actor"]), show)
    return asdict(totals)


def asked_for(filters: dict[str, Any], actor: Actor) -> str:
    return json.dumps({"filters": filters, "actor": asdict(actor)}, default=str)
