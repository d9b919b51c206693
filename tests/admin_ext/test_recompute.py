"""Recomputing by hand: who may, what is asked first, what is queued, and where its fate is seen."""

import urllib.request
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_celery_results.models import TaskResult

from admin_ext import recompute
from admin_ext.queued import MOST_AT_ONCE
from reports.models import SessionReport
from tests.admin_ext.cast import Scene, staff, task_result
from tests.processes import Process, run_web
from tests.waiting import until
from tracking.models import Session

pytestmark = pytest.mark.usefixtures("empty_queue")

LISTS = ("admin:tracking_session_changelist", "admin:reports_sessionreport_changelist")
PAGES = ("admin:tracking_session_recompute_one", "admin:reports_sessionreport_recompute_one")


def selected(*ids: UUID, **more: str) -> dict[str, Any]:
    return {"action": "recompute_selected", "_selected_action": list(map(str, ids)), **more}


def tasks_in(location: str) -> list[UUID]:
    (ids,) = parse_qs(urlsplit(location).query)["tasks"]
    return [UUID(id) for id in ids.split(",")]


@pytest.fixture
def operator(transactional_db: None) -> Client:
    """Sees, and recomputes."""
    return staff(
        "operator",
        "view_session",
        "view_sessionreport",
        "view_taskresult",
        "recompute_sessionreport",
    )


@pytest.mark.parametrize("address", LISTS)
def test_the_selected_are_queued_after_a_question(
    operator: Client, scene: Scene, address: str
) -> None:
    question = operator.post(reverse(address), selected(scene.session))
    assert b"Recompute 1 report?" in question.content
    assert str(scene.session) in question.content.decode()
    answer = operator.post(reverse(address), selected(scene.session, confirmed="1"))
    assert answer.status_code == 302
    (task,) = tasks_in(answer["Location"])
    page = operator.get(answer["Location"]).content.decode()
    assert "no worker has taken it yet" in page
    assert str(task)[:8] in page


@pytest.mark.parametrize("address", PAGES)
def test_one_is_queued_from_its_page(operator: Client, scene: Scene, address: str) -> None:
    url = reverse(address, args=[scene.session])
    assert b"Recompute this report?" in operator.get(url).content
    answer = operator.post(url, {"_form_submitted": "on"})
    assert len(tasks_in(answer["HX-Redirect"])) == 1


@pytest.mark.parametrize("address", PAGES)
def test_opening_its_address_changes_nothing(
    owner: Client, scene: Scene, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "queue", forbidden)
    url = reverse(address, args=[scene.session])
    owner.get(url, {"_form_submitted": "on"})
    owner.head(url)
    owner.post(url)


def forbidden(*args: object) -> list[str]:
    raise AssertionError("nothing was confirmed")


def test_without_the_permission_nothing_is_queued(
    analyst: Client, outsider: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "queue", forbidden)
    for client in (analyst, outsider):
        for address in PAGES:
            url = reverse(address, args=[scene.session])
            assert client.post(url, {"_form_submitted": "on"}).status_code == 403
        for address in LISTS:
            client.post(reverse(address), selected(scene.session, confirmed="1"))
    page = analyst.get(reverse("admin:tracking_session_change", args=[scene.session]))
    assert b"Recompute report" not in page.content


def test_a_form_without_its_token_is_refused(scene: Scene) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("owner"))
    url = reverse(PAGES[0], args=[scene.session])
    assert client.post(url, {"_form_submitted": "on"}).status_code == 403
    assert client.post(reverse(LISTS[0]), selected(scene.session, confirmed="1")).status_code == 403


def test_too_many_at_once_are_refused_with_a_word(operator: Client, scene: Scene) -> None:
    Session.objects.bulk_create(Session(id=uuid4()) for _ in range(MOST_AT_ONCE))
    everything = selected(scene.session, select_across="1", index="0")
    page = operator.post(reverse(LISTS[0]), everything, follow=True)
    assert "At most 100 reports at once. Select fewer." in page.content.decode()


@pytest.mark.parametrize("id", ["nonsense", "3f0c2a8e-5f4b-4c8e-9d57-0b7f6f1a2b3c"])
def test_a_session_that_is_not_there_is_not_queued(
    operator: Client, scene: Scene, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "queue", forbidden)
    answer = operator.post(reverse(PAGES[0], args=[id]), {"_form_submitted": "on"})
    page = operator.get(answer["HX-Redirect"])
    assert "There is no such session." in page.content.decode()


@pytest.mark.parametrize("asked", ["", "nonsense", "1,2,3", "," * 500])
def test_the_page_of_no_tasks_says_where_to_get_some(owner: Client, asked: str) -> None:
    page = owner.get(reverse("admin:eye_tasks"), {"tasks": asked})
    assert b"No tasks are named in this address" in page.content


def test_the_page_follows_a_task_to_its_result_and_session(owner: Client, scene: Scene) -> None:
    task = task_result(scene.session)
    page = owner.get(reverse("admin:eye_tasks"), {"tasks": task.task_id}).content.decode()
    assert "1 of 1 finished" in page
    assert reverse("admin:django_celery_results_taskresult_change", args=[task.pk]) in page
    assert reverse("admin:tracking_session_change", args=[scene.session]) in page
    assert "hx-get" not in page.split('id="tasks"')[1].split(">")[0]


@pytest.mark.flow
def test_a_worker_recomputes_what_was_queued(owner: Client, scene: Scene, worker: Process) -> None:
    before = SessionReport.objects.get(pk=scene.session)
    answer = owner.post(reverse(LISTS[0]), selected(scene.session, confirmed="1"))
    (task,) = tasks_in(answer["Location"])
    until(lambda: TaskResult.objects.filter(task_id=str(task), status="SUCCESS").exists())
    after = SessionReport.objects.get(pk=scene.session)
    assert after.computed_at > before.computed_at
    assert (after.distance_px, after.samples) == (before.distance_px, before.samples)
    page = owner.get(answer["Location"]).content.decode()
    assert "1 of 1 finished" in page
    assert str(scene.session) in page


@pytest.mark.flow
def test_without_a_broker_it_says_so_and_queues_nothing(
    owner: Client, scene: Scene, logs: Path
) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    with run_web(logs / "web-no-broker.log", CELERY_BROKER_URL=nowhere, CACHE_URL=nowhere) as web:
        page = post_as(owner, web.url + reverse(LISTS[0]), selected(scene.session, confirmed="1"))
    assert "The task queue is away: nothing was queued." in page
    assert not TaskResult.objects.filter(task_name="reports.recompute").exists()


def post_as(client: Client, url: str, form: dict[str, Any]) -> str:
    """Posts a form over the wire with a test client's session; the page it leads to."""
    token = "t" * 32
    jar = CookieJar()
    jar.set_cookie(cookie("sessionid", client.cookies["sessionid"].value))
    jar.set_cookie(cookie("csrftoken", token))
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.addheaders = [("X-CSRFToken", token)]
    with opener.open(url, urlencode(form, doseq=True).encode(), timeout=20) as response:
        return str(response.read().decode())


def cookie(name: str, value: str) -> Cookie:
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain="127.0.0.1",
        domain_specified=True,
        domain_initial_dot=False,
        path="/",
        path_specified=True,
        secure=False,
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={},
    )


def test_who_may_not_see_tasks_is_told_and_stays(scene: Scene, empty_queue: None) -> None:
    colleague = staff("colleague", "view_session", "view_sessionreport", "recompute_sessionreport")
    response = colleague.post(
        reverse(LISTS[0]), selected(scene.session, confirmed="1"), follow=True
    )
    assert response.status_code == 200
    assert "Queued tasks: 1" in response.content.decode()


def test_what_one_may_not_see_one_may_not_recompute(scene: Scene) -> None:
    blind = staff("blind", "recompute_sessionreport")
    for address in PAGES:
        url = reverse(address, args=[scene.session])
        assert blind.post(url, {"_form_submitted": "1"}).status_code == 403
