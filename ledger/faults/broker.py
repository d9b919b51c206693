"""The broker and the cache, which only carry hints; and what does not belong in the queue."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from random import Random

from config import embedded
from config.celery import app
from redis import Redis

from ledger import pids
from ledger.faults.fault import Fault, a_while
from ledger.stage import Stage

QUEUE = "digest"
# Each as a body, a type and an encoding.
JUNK = (
    (b"\xff\xfe\x00 no JSON", "application/json", "utf-8"),
    (b"{}", "application/json", "utf-8"),
    (b'[[], {}, {"chain": 5}]', "application/json", "no-such-encoding"),
    (b"\x80\x04N.", "application/x-python-serialize", "binary"),
    (b"x" * 1_000_000, "application/data", "binary"),
)


def _not_ours(stage: Stage) -> str:
    return "" if stage.services.own("valkey") else "the broker is not the ledger's own"


def kill(stage: Stage, dice: Random) -> None:
    pids.send(signal.SIGKILL, [stage.services.pid("valkey")])


def freeze(stage: Stage, dice: Random) -> None:
    frozen = [stage.services.pid("valkey")]
    pids.send(signal.SIGSTOP, frozen)
    try:
        time.sleep(a_while(dice))
    finally:
        pids.send(signal.SIGCONT, frozen)


def out_of_memory(stage: Stage, dice: Random) -> None:
    with _valkey(stage) as valkey:
        valkey.config_set("maxmemory", 1)
        try:
            time.sleep(a_while(dice))
        finally:
            valkey.config_set("maxmemory", 0)


def empty(stage: Stage, dice: Random) -> None:
    with _valkey(stage) as valkey:
        valkey.flushall()


def junk(stage: Stage, dice: Random) -> None:
    publish_junk()


def publish_junk() -> None:
    """Messages that are none, of an unknown task, and of a known one that is called wrongly."""
    with app.connection_for_write() as broker, app.amqp.Producer(broker) as producer:
        for body, content_type, encoding in JUNK:
            producer.publish(
                body, routing_key=QUEUE, content_type=content_type, content_encoding=encoding
            )
        for name in ("no.such.task", "tracking.digest"):
            app.send_task(name, args=[1, 2], queue=QUEUE, connection=broker)


@contextlib.contextmanager
def _valkey(stage: Stage) -> Iterator[Redis]:
    path = embedded.valkey_socket(embedded.data_dir(os.environ))
    with contextlib.closing(Redis(unix_socket_path=str(path))) as valkey:
        yield valkey


FAULTS = (
    Fault("Valkey killed", kill, _not_ours),
    Fault("Valkey frozen", freeze, _not_ours),
    Fault("Valkey out of memory", out_of_memory, _not_ours),
    Fault("Valkey emptied", empty, _not_ours),
    Fault("junk in the queue", junk),
)
