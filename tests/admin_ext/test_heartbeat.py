"""What a worker notes of itself, and that this does not hold it up."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from django.db import transaction

from admin_ext.heartbeat import Heart
from admin_ext.models import Worker
from tests.cast import elsewhere
from tests.waiting import until

CONSUMER = SimpleNamespace(
    hostname="w@host",
    controller=SimpleNamespace(concurrency=2),
    task_consumer=SimpleNamespace(queues=[SimpleNamespace(name="reports")]),
)


def test_a_worker_ends_while_postgresql_does_not_answer(transactional_db: None) -> None:
    heart = Heart()
    heart.start(CONSUMER)
    until(Worker.objects.filter(name="w@host").exists)
    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        Worker.objects.select_for_update().get()
        threads.submit(elsewhere, heart.stop).result(timeout=8)
    until(lambda: not Worker.objects.exists())
