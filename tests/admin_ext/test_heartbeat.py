"""What a worker notes of itself, and that this does not hold it up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from admin_ext import queries
from admin_ext.heartbeat import Heart
from admin_ext.models import Worker
from admin_ext.stuck import judge
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


def test_a_heartbeat_is_told_and_judged_by_the_clock_of_postgresql(transactional_db: None) -> None:
    heart = Heart()
    heart.start(CONSUMER)
    until(Worker.objects.exists)
    with transaction.atomic():  # in which PostgreSQL's now() stands still
        with CaptureQueriesContext(connection) as asked:
            heart._beat()
        assert asked[0]["sql"].count("STATEMENT_TIMESTAMP()") == 2
        moment = judge().moment
        assert queries.rows("SELECT now()", {}) == [(moment,)]
    worker = Worker.objects.get()
    assert timedelta(0) < worker.beat_at - worker.started_at < timedelta(minutes=1)
    heart.stop()
    assert not Worker.objects.exists()
