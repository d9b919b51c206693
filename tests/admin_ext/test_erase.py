"""Erasing sessions by hand: who may, what is asked first, and what is gone afterwards."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from admin_ext import erase
from reports.models import PointerSecond, SessionReport
from tests.admin_ext.cast import Scene, staff
from tests.admin_ext.test_recompute import tasks_in
from tests.cast import Sender, event
from tests.processes import Process
from tests.waiting import until
from tracking.models import AuditEntry, Event, RejectedEvent, Session

pytestmark = pytest.mark.usefixtures("empty_queue")

LIST = "admin:tracking_session_changelist"
PAGE = "admin:tracking_session_erase_one"


def selected(*ids: UUID, **more: str) -> dict[str, Any]:
    return {"action": "erase_selected", "_selected_action": list(map(str, ids)), **more}


@pytest.fixture
def keeper(transactional_db: None) -> Client:
    """Sees sessions and tasks, and erases."""
    return staff("keeper", "view_session", "view_taskresult", "delete_session")


def test_the_selected_are_queued_after_a_question(keeper: Client, scene: Scene) -> None:
    question = keeper.post(reverse(LIST), selected(scene.session)).content.decode()
    assert "Erase 1 session?" in question
    assert "removed for good" in question
    answer = keeper.post(reverse(LIST), selected(scene.session, confirmed="1"))
    assert len(tasks_in(answer["Location"])) == 1
    assert Session.objects.filter(pk=scene.session).exists()


def test_what_was_confirmed_is_erased_though_the_list_has_lost_it(
    keeper: Client, shop: Sender, scene: Scene
) -> None:
    """Between the question and its answer one of two sessions fell silent."""
    other = uuid4()
    shop.send(event(other))
    Session.objects.update(last_at=now())
    live = f"{reverse(LIST)}?live=yes"
    assert "Erase 2 sessions?" in keeper.post(live, selected(scene.session, other)).content.decode()
    Session.objects.filter(pk=other).update(last_at=now() - timedelta(hours=1))
    answer = keeper.post(live, selected(scene.session, other, confirmed="1"))
    assert len(tasks_in(answer["Location"])) == 2


def test_a_worker_erases_what_was_queued_and_the_audit_list_says_who_asked(
    shop: Sender, stranger: Sender, keeper: Client, scene: Scene, worker: Process
) -> None:
    stranger.send(event(scene.session))
    url = reverse(PAGE, args=[scene.session])
    assert b"Erase this session?" in keeper.get(url).content
    answer = keeper.post(url, {"_form_submitted": "on"})
    (task,) = tasks_in(answer["HX-Redirect"])
    result = until(
        lambda: TaskResult.objects.filter(task_id=str(task), status="SUCCESS").first(), 30
    )
    assert result
    assert str(scene.session) in result.result
    for gone in (Event, RejectedEvent, PointerSecond):
        assert not gone.objects.filter(session_id=scene.session).exists()
    assert not SessionReport.objects.filter(pk=scene.session).exists()
    assert not Session.objects.filter(pk=scene.session).exists()
    entry = AuditEntry.objects.get(action="session.erased")
    assert (entry.actor, entry.target) == ("keeper", str(scene.session))


def test_without_the_permission_nothing_is_queued(
    analyst: Client, outsider: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "queue_each", forbidden)
    for client in (analyst, outsider):
        url = reverse(PAGE, args=[scene.session])
        assert client.post(url, {"_form_submitted": "on"}).status_code == 403
        client.post(reverse(LIST), selected(scene.session, confirmed="1"))


def test_its_page_offers_it_to_who_may(keeper: Client, analyst: Client, scene: Scene) -> None:
    page = reverse("admin:tracking_session_change", args=[scene.session])
    for client, offered in ((keeper, True), (analyst, False)):
        assert (reverse(PAGE, args=[scene.session]) in client.get(page).content.decode()) is offered


def test_opening_its_address_changes_nothing(
    owner: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "queue_each", forbidden)
    url = reverse(PAGE, args=[scene.session])
    owner.get(url, {"_form_submitted": "on"})
    owner.head(url)
    owner.post(url)


def forbidden(*args: object) -> list[str]:
    raise AssertionError("nothing was confirmed")


@pytest.mark.parametrize("id", ["nonsense", "3f0c2a8e-5f4b-4c8e-9d57-0b7f6f1a2b3c"])
def test_a_session_that_is_not_there_is_not_queued(keeper: Client, id: str) -> None:
    answer = keeper.post(reverse(PAGE, args=[id]), {"_form_submitted": "on"})
    assert "There is no such session." in keeper.get(answer["HX-Redirect"]).content.decode()
