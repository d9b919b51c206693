import logging
import signal
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.utils.timezone import now

from tracking.digest import digest_once
from tracking.partitions import ensure_partitions

logger = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
# What is younger is left to the nudged workers.
GRACE = timedelta(seconds=1)
PARTITIONS_EVERY = timedelta(hours=1)
PARTITIONS_AGAIN = timedelta(minutes=1)


class Command(BaseCommand):
    help = "Digests what no nudge brought to a worker, every second. Needs PostgreSQL alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--heartbeat", type=Path, metavar="FILE", help="touched after each good round"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        logger.info("Sweeping every %.0f s", EVERY_SECONDS)
        partitions_due = now()
        while not stop.wait(EVERY_SECONDS):
            if sweep(stop) and options["heartbeat"]:
                options["heartbeat"].touch()
            if now() >= partitions_due:
                partitions_due = now() + see_to_partitions()


def sweep(stop: Event) -> bool:
    """Digests what waits; whether that went well. Nothing may end this process."""
    try:
        while digest_once(GRACE) and not stop.is_set():
            pass
    except Error as error:
        logger.warning("PostgreSQL is away or unwell: %s", type(error).__name__)
        connection.close()
    except Exception:
        logger.exception("A sweep failed")
    else:
        return True
    return False


def see_to_partitions() -> timedelta:
    """Makes missing partitions; after how long to look again."""
    try:
        for name in ensure_partitions(now()):
            logger.info("Made the partition %s", name)
    except Error as error:
        logger.warning("Partitions could not be made: %s", type(error).__name__)
        connection.close()
        return PARTITIONS_AGAIN
    return PARTITIONS_EVERY
