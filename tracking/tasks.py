from celery import shared_task

from tracking import digest as pipeline
from tracking.nudge import Bell


@shared_task(name="tracking.digest", ignore_result=True, acks_late=False)
def digest() -> dict[str, int]:
    bell.answered()
    return pipeline.digest_until_empty()


bell = Bell(digest)
