"""Tasks from their publication to their end, with a real worker, a real beat and a broker that fails."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult
from kombu.exceptions import SerializerNotInstalled

from admin_ext import broker, heartbeat, task_results
from admin_ext.models import Worker
from admin_ext.published import unwritten
from admin_ext.scheduler import Entry, Scheduler
from reports.models import SessionReport
from reports.tasks import recompute
from tests.admin_ext.cast import Scene
from tests.cast import elsewhere, somebody_waits
from tests.processes import Process, run_beat, run_worker
from tests.waiting import until
from tracking.nudge import publish

pytestmark = pytest.mark.usefixtures("empty_queue")

OVERVIEW = reverse("admin:eye_tasks_overview")


def listed(task_id: str) -> Any:
    """Its row, as soon as it is there."""
    return until(TaskResult.objects.filter(task_id=task_id).first)


def listed_elsewhere(task_id: str) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return bool(pool.submit(elsewhere, listed, task_id).result())


def in_state(task_id: str, *wanted: str) -> Any:
    return until(TaskResult.objects.filter(task_id=task_id, status__in=wanted).first)


def test_a_task_is_listed_before_a_worker_takes_it(owner: Client, scene: Scene) -> None:
    task = listed(publish(recompute, str(scene.session)))
    assert (task.status, task.task_name) == ("PENDING", "reports.recompute")
    page = owner.get(reverse("admin:django_celery_results_taskresult_changelist")).content.decode()
    assert "QUEUED" in page
    assert str(scene.session) in page
    assert (
        "reports"
        in owner.get(
            reverse("admin:django_celery_results_taskresult_change", args=[task.pk])
        ).content.decode()
    )


def test_a_nudge_is_not_listed(transactional_db: None) -> None:
    current_app.tasks["reports.roll_up"].apply_async(ignore_result=True)
    current_app.tasks["reports.roll_up"].apply_async()
    unwritten.join()
    assert not TaskResult.objects.exists()


def test_a_publication_that_fails_is_not_listed(transactional_db: None) -> None:
    with pytest.raises(SerializerNotInstalled):
        recompute.apply_async((str(uuid4()),), serializer="unknown")
    unwritten.join()
    assert not TaskResult.objects.exists()


def test_a_callers_transaction_has_no_part_in_it(transactional_db: None) -> None:
    with transaction.atomic():
        task_id = recompute.apply_async((str(uuid4()),)).id
        assert listed_elsewhere(task_id)
        transaction.set_rollback(True)
    assert listed(task_id).status == "PENDING"


def test_publishing_goes_on_while_the_list_cannot_be_written(transactional_db: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK django_celery_results_taskresult IN EXCLUSIVE MODE")
        first = publish(recompute, str(uuid4()))
        until(somebody_waits)
        second = publish(recompute, str(uuid4()))
    assert listed(first)
    assert listed(second)


def test_a_worker_that_was_quicker_is_right(transactional_db: None) -> None:
    task_id = str(uuid4())
    TaskResult.objects.create(task_id=task_id, task_name="reports.recompute", status="SUCCESS")
    recompute.apply_async((str(uuid4()),), task_id=task_id)
    unwritten.join()
    assert TaskResult.objects.get().status == "SUCCESS"


def test_queues_tell_how_much_waits_and_since_when(transactional_db: None) -> None:
    for _ in range(2):
        signature: Any = recompute.signature((str(uuid4()),), queue="exports")
        publish(signature)
    made, never_made = broker.waiting(["exports", "never made"]) or []
    assert (made.queue, made.depth) == ("exports", 2)
    assert (never_made.queue, never_made.depth) == ("never made", 0)
    if broker.is_redis():
        assert made.oldest is not None
        assert made.oldest <= now()


def test_a_task_keeps_when_it_was_queued_and_tells_how_it_went(
    owner: Client, scene: Scene, worker: Process
) -> None:
    queued = now()
    task = in_state(publish(recompute, str(scene.session)), "SUCCESS")
    unwritten.join()
    task.refresh_from_db()
    assert task.status == "SUCCESS"
    assert queued <= task.date_created <= task.date_started <= task.date_done
    address = reverse("admin:django_celery_results_taskresult_change", args=[task.pk])
    page = owner.get(address).content.decode()
    assert f"/admin/reports/sessionreport/{scene.session}/change/" in page
    assert ">reports</bdi>" in page  # the queue
    assert task_results.retries(task) == "0"


def test_a_worker_says_that_it_is_there_and_what_it_is_at(
    owner: Client, scene: Scene, worker: Process
) -> None:
    name = str(until(Worker.objects.values_list("name", flat=True).first))
    page = owner.get(OVERVIEW).content.decode()
    assert name in page
    assert "online" in page
    with transaction.atomic():
        SessionReport.objects.select_for_update().get(pk=scene.session)
        task_id = publish(recompute, str(scene.session))
        until(somebody_waits)
        until(Worker.objects.filter(running__contains=[{"id": task_id}]).exists)
    in_state(task_id, "SUCCESS")


def test_a_worker_that_ends_in_peace_is_not_missed(transactional_db: None, tmp_path: Path) -> None:
    with run_worker(tmp_path / "brief.log") as brief:
        name = until(
            Worker.objects.filter(name__startswith="brief@").values_list("name", flat=True).first
        )
        brief.stop(patience=20)
    assert not Worker.objects.filter(name=name).exists()


def test_a_task_whose_worker_was_killed_is_stuck_and_run_again(
    owner: Client, scene: Scene, worker: Process
) -> None:
    until(Worker.objects.exists)
    with transaction.atomic():
        SessionReport.objects.select_for_update().get(pk=scene.session)
        task_id = publish(recompute, str(scene.session))
        until(somebody_waits)
        worker.kill()
    Worker.objects.update(beat_at=now() - 2 * heartbeat.GONE_AFTER)
    task = in_state(task_id, "STARTED")
    assert "its worker is gone" in owner.get(OVERVIEW).content.decode()
    again = reverse("admin:django_celery_results_taskresult_run_again_one", args=[task.pk])
    answer = owner.post(again, {"_form_submitted": "on"})
    assert "/queued-tasks/" in answer["HX-Redirect"]
    heir = until(
        TaskResult.objects.filter(status="PENDING").values_list("task_id", flat=True).first
    )
    worker.start()
    in_state(str(heir), "SUCCESS")
    task.refresh_from_db()
    assert task.status == "REVOKED"


def test_beat_ticks(owner: Client, tmp_path: Path) -> None:
    assert "It has not queued anything yet" in owner.get(OVERVIEW).content.decode()
    with run_beat(tmp_path / "beat.log"):
        until(PeriodicTask.objects.filter(total_run_count__gt=0).exists)
    page = owner.get(OVERVIEW).content.decode()
    assert "ticks" in page
    assert "Last tick" in page


def test_beat_does_not_undo_a_pause(transactional_db: None) -> None:
    Scheduler(app=current_app)
    often = PeriodicTask.objects.get(name="Build stale reports")
    entry = next(Entry(often))
    PeriodicTask.objects.filter(pk=often.pk).update(enabled=False, last_run_at=None)
    entry.save()
    often.refresh_from_db()
    assert (often.enabled, often.last_run_at) == (False, None)


def test_a_broker_that_does_not_answer_is_said_to_be_one(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        monkeypatch.setattr(current_app.conf, "broker_read_url", url)
        monkeypatch.setattr(broker, "_question", broker.Question())
        page = owner.get(OVERVIEW)
    assert page.status_code == 200
    assert "Unknown: the broker does not answer" in page.content.decode()
