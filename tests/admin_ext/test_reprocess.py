"""Reprocessing from the list of errors, and the list of who changed what."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult

from reports.rollup import roll_up
from tests.admin_ext.cast import Scene, staff
from tests.cast import Sender, event
from tests.processes import Process
from tests.waiting import until
from tracking import event_types
from tracking.models import AuditEntry, Event, EventError, EventType, SchemaVersion

pytestmark = pytest.mark.usefixtures("empty_queue")

LIST = reverse("admin:tracking_eventerror_changelist")


def of(error: EventError) -> list[str]:
    return [
        reverse("admin:tracking_eventerror_reprocess_one", args=[error.pk]),
        reverse("admin:tracking_eventerror_reprocess_all"),
    ]


def selected(error: EventError, **more: str) -> dict[str, Any]:
    return {"action": "reprocess_selected", "_selected_action": [error.pk], **more}


@pytest.fixture
def mender(transactional_db: None) -> Client:
    return staff("mender", "view_eventerror", "reprocess_eventerror", "view_taskresult")


@pytest.fixture
def error(shop: Sender, scene: Scene) -> EventError:
    return EventError.objects.earliest("id")


def test_the_selected_are_queued_after_a_question(mender: Client, error: EventError) -> None:
    question = mender.post(LIST, selected(error))
    assert b"Reprocess the events of 1 error?" in question.content
    answer = mender.post(LIST, selected(error, confirmed="1"))
    assert answer.status_code == 302
    assert b"no worker has taken it yet" in mender.get(answer["Location"]).content


def test_one_and_all_are_queued_from_their_dialogs(mender: Client, error: EventError) -> None:
    for address in of(error):
        answer = mender.post(address, {"_form_submitted": "on"})
        assert "/queued-tasks/" in answer["HX-Redirect"]


def test_a_type_is_reprocessed_from_its_page(mender: Client, shop: Sender) -> None:
    kind = EventType.objects.create(
        category="shop", name="sale", application_id=shop.application_id
    )
    address = reverse("admin:tracking_eventtype_reprocess_type", args=[kind.pk])
    assert mender.post(address, {"_form_submitted": "on"}).status_code == 403  # sees no types
    may = staff("may", "view_eventtype", "reprocess_eventerror", "view_taskresult")
    answer = may.post(address, {"_form_submitted": "on"})
    assert "/queued-tasks/" in answer["HX-Redirect"]
    nowhere = may.post(address.replace(f"{kind.pk}", "0"), {"_form_submitted": "on"})
    assert b"There is no such event type." in may.get(nowhere["HX-Redirect"]).content


def test_the_dialog_says_how_many_all_are(mender: Client, error: EventError) -> None:
    roll_up()
    (_, everything) = of(error)
    count = EventError.objects.filter(resolved_at=None).count()
    assert f"All that are open, {count} by now" in mender.get(everything).content.decode()


def test_to_look_at_an_address_queues_nothing(mender: Client, error: EventError) -> None:
    for address in of(error):
        assert "HX-Redirect" not in mender.get(address)


def test_who_may_only_look_may_not(error: EventError) -> None:
    looker = staff("looker", "view_eventerror")
    for address in of(error):
        assert looker.post(address, {"_form_submitted": "on"}).status_code == 403
    page = looker.post(LIST, selected(error, confirmed="1"), follow=True)
    assert not AuditEntry.objects.exists()
    assert b"Reprocess" not in page.content


def test_resolved_errors_are_told_from_open_ones(mender: Client, error: EventError) -> None:
    EventError.objects.filter(pk=error.pk).update(resolved_at=error.created_at)
    change = reverse("admin:tracking_eventerror_change", args=[error.pk])
    assert change in mender.get(LIST, {"resolved": "yes"}).content.decode()
    assert change not in mender.get(LIST, {"resolved": "no"}).content.decode()
    answer = mender.post(LIST, selected(error, confirmed="1"), follow=True)
    assert b"These errors are resolved already." in answer.content
    (one, _) = of(error)
    assert one not in mender.get(change).content.decode()
    EventError.objects.filter(pk=error.pk).update(resolved_at=None)
    assert one in mender.get(change).content.decode()


@pytest.mark.flow
def test_a_worker_stores_what_is_right_now(
    shop: Sender, session: Any, owner: Client, worker: Process
) -> None:
    kind = EventType.objects.create(category="shop", name="sale")
    number = {"properties": {"price": {"type": "number"}}}
    SchemaVersion.objects.create(event_type=kind, number=1, schema=number)
    event_types.forget()
    # The worker believes what it knew for some seconds.
    sale = event(session, category="shop", name="sale", data={"price": "12.50"})
    until(lambda: shop.send(sale | {"id": str(Event.objects.count())}).rejected)
    error = EventError.objects.get()
    SchemaVersion.objects.create(event_type=kind, number=2, schema={})
    answer = owner.post(LIST, selected(error, confirmed="1"))
    task = TaskResult.objects.filter(task_name="tracking.reprocess", status="SUCCESS")
    result = json.loads(until(task.first).result)  # type: ignore[union-attr]
    assert (result["examined"], result["stored"]) == (1, 1)
    followed = owner.get(answer["Location"]).content.decode()
    assert "1 of 1 finished" in followed
    assert f'<td><a class="eye-link" href="{reverse("admin:eye_errors")}">' in followed
    error.refresh_from_db()
    assert error.resolved_at
    entries = owner.get(reverse("admin:tracking_auditentry_changelist")).content.decode()
    assert "Errors reprocessed" in entries
    entry = AuditEntry.objects.get()
    page = owner.get(reverse("admin:tracking_auditentry_change", args=[entry.pk]))
    assert "owner" in page.content.decode()
