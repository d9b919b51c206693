"""The first page, its numbers, and the policy under which the admin's pages run."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from admin_ext import queries
from tests.admin_ext.cast import Scene, staff
from tests.cast import Sender, event
from tracking import claims
from tracking.models import SetAsideBatch

DATA = reverse("admin:eye_dashboard_data")


def data(client: Client) -> Any:
    response = client.get(DATA)
    assert response.status_code == 200
    return response.json()


def test_before_the_first_event_it_says_what_to_do(owner: Client) -> None:
    page = owner.get("/admin/").content.decode()
    assert "No events yet" in page
    assert "curl http://testserver/api/events" in page
    assert 'href="/"' in page


def test_it_shows_the_numbers_and_the_latest_sessions(owner: Client, scene: Scene) -> None:
    page = owner.get("/admin/").content.decode()
    assert "No events yet" not in page
    assert str(scene.session)[:8] in page
    assert "708<span" in page


def test_without_permission_there_are_no_numbers(outsider: Client, scene: Scene) -> None:
    page = outsider.get("/admin/").content.decode()
    assert "Your account may not see the numbers" in page
    assert str(scene.session)[:8] not in page
    assert outsider.get(DATA).status_code == 403


def test_every_permission_is_needed(scene: Scene) -> None:
    nearly = staff("nearly", "view_session", "view_receipt")
    assert nearly.get(DATA).status_code == 403


def test_sent_is_always_what_became_of_it(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(event(scene.session), event(scene.session), event(scene.session, name=""))
    shop.post([event(scene.session), event(scene.session)])
    totals = data(owner)["totals"]
    # 3 + 1 + 1 of another kind stored; one was sent twice; two wrong ones; 2 in line, 1 set aside.
    assert totals == {"sent": 10, "stored": 4, "duplicate": 1, "rejected": 2, "waiting": 3}
    receipts = owner.get(reverse("admin:tracking_receipt_changelist")).content.decode()
    assert 'data-total="sent">10<' in receipts


def test_the_numbers_of_the_day(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(event(uuid4(), timestamp="2020-01-01T00:00:00Z"))
    shop.send(event(uuid4(), timestamp=now().isoformat()))
    shop.post([event(scene.session)])
    figures = {name: figure["value"] for name, figure in data(owner)["figures"].items()}
    assert figures == {
        "events": "5",
        "sessions": "2",
        "active": "1",
        "errors": "1",
        "waiting": "1",
        "stale": "2",
    }
    assert data(owner)["figures"]["waiting"]["note"].startswith("oldest ")


def test_the_last_hour_minute_by_minute(owner: Client, scene: Scene) -> None:
    minutes = data(owner)["minutes"]
    assert len(minutes) == queries.MINUTES
    starts = [minute["start"] for minute in minutes]
    assert starts == list(range(starts[0], starts[0] + 60 * 60, 60))
    assert sum(minute["stored"] for minute in minutes) == 3
    assert sum(minute["rejected"] for minute in minutes) == 1


def test_many_open_pages_ask_no_more_than_one(
    owner: Client, scene: Scene, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(5):  # who asks (2), figures, totals, minutes
        data(owner)
    with django_assert_num_queries(2):
        data(owner)


def test_a_set_aside_batch_is_replayed_under_its_receipt(owner: Client, scene: Scene) -> None:
    kept = SetAsideBatch.objects.get(pk=scene.set_aside)
    address = reverse("admin:tracking_setasidebatch_changelist")
    selection = {"action": "replay_selected", "_selected_action": [kept.pk]}
    assert b"Replay 1 batch?" in owner.post(address, selection).content
    assert SetAsideBatch.objects.exists()
    owner.post(address, {**selection, "confirmed": "1"})
    assert not SetAsideBatch.objects.exists()
    (claimed,) = claims.claim()
    assert claimed.receipt == kept.receipt


def test_a_set_aside_batch_is_replayed_from_its_page(
    owner: Client, analyst: Client, scene: Scene
) -> None:
    address = reverse("admin:tracking_setasidebatch_replay_one", args=[scene.set_aside])
    assert analyst.post(address, {"_form_submitted": "on"}).status_code == 403
    owner.get(address)
    assert SetAsideBatch.objects.exists()
    answer = owner.post(address, {"_form_submitted": "on"})
    assert answer["HX-Redirect"] == reverse("admin:tracking_setasidebatch_changelist")
    assert not SetAsideBatch.objects.exists()


def directives(response: Any) -> dict[str, str]:
    parts = [part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";")]
    return {name: (rest or [""])[0] for name, *rest in parts}


def test_the_admin_runs_under_its_own_policy(owner: Client) -> None:
    policy = directives(owner.get("/admin/"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["frame-ancestors"] == "'self'"
    assert policy["connect-src"] == "'self'"


def test_other_pages_do_not(client: Client, owner: Client) -> None:
    for address in ("/docs/errors", "/healthz"):
        assert "unsafe" not in owner.get(address)["Content-Security-Policy"]


@pytest.mark.parametrize("address", ["/admin/", "/admin/tracking/session/", "/admin/login/"])
def test_no_page_has_a_script_inside(owner: Client, client: Client, address: str) -> None:
    page = (client if "login" in address else owner).get(address).content.decode()
    for opening in page.split("<script")[1:]:
        tag, inside = opening.split(">", 1)
        assert " src=" in tag or "application/json" in tag, tag
        assert inside.startswith("</script>") or "application/json" in tag
