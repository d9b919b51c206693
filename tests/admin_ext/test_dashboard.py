"""The first page, its numbers, and the policy under which the admin's pages run."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from admin_ext import queries
from reports.builder import build_stale
from reports.models import RollupChange
from reports.rollup import roll_up
from tests.admin_ext.cast import Scene, staff
from tests.cast import Sender, elsewhere, event
from tests.waiting import until
from tracking import claims, inbox
from tracking.digest import digest_until_empty
from tracking.models import Receipt, SetAsideBatch, Tally

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


@pytest.mark.usefixtures("scene")
def test_every_moment_on_the_way_adds_up(shop: Sender, session: UUID) -> None:
    """In the inbox, set aside, in the line again, in the outbox, in the rollups."""
    before = queries._totals()
    with transaction.atomic():  # or a worker that runs beside this test would be quicker
        shop.post([event(session, name=""), event(session), event(session)])
        accepted = replace(before, sent=before.sent + 3, waiting=before.waiting + 3)
        assert queries._totals() == accepted
        (batch,) = claims.claim()
        inbox.set_aside(batch, "It was not digested in 8 attempts.")
        assert queries._totals() == accepted
        inbox.replay([SetAsideBatch.objects.get(receipt=batch.receipt).pk])
        assert queries._totals() == accepted
    digest_until_empty()
    until(Receipt.objects.filter(pk=batch.receipt).exists)
    digested = replace(
        accepted,
        stored=before.stored + 1,
        duplicate=before.duplicate + 1,
        rejected=before.rejected + 1,
        waiting=before.waiting,
    )
    assert queries._totals() == digested
    roll_up()
    assert not Tally.objects.exists()
    assert queries._totals() == digested


def test_totals_add_up_while_events_come_and_are_rolled_up(shop: Sender) -> None:
    def send() -> None:
        for _ in range(30):
            shop.send(event(uuid4()), event(uuid4(), name=""))
            roll_up()

    sent = 0
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(elsewhere, send)
        while not sending.done():
            totals = queries._totals()
            assert totals.sent >= sent
            assert totals.sent % 2 == 0
            sent = totals.sent
        sending.result()
    assert queries._totals() == queries.Totals(60, 30, 0, 30, 0)


def test_the_numbers_are_the_same_before_and_after_they_are_rolled_up(
    shop: Sender, scene: Scene
) -> None:
    shop.send(event(scene.session), event(uuid4(), timestamp=now().isoformat()))
    build_stale()

    def told() -> Any:
        figures = replace(queries._figures(), rollups_behind_seconds=0, waiting_seconds=0)
        return figures, [minute for minute in queries._minutes() if minute.stored]

    before = told()
    assert RollupChange.objects.exists()
    roll_up()
    assert told() == before


def test_it_says_how_old_the_oldest_change_is_that_is_not_rolled_up(
    owner: Client, scene: Scene
) -> None:
    RollupChange.objects.update(written_at=now() - timedelta(hours=2))
    assert data(owner)["behind"].startswith("2 h")
    cache.clear()
    roll_up()
    assert data(owner)["behind"] == ""


def test_the_numbers_of_the_day(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(event(uuid4(), timestamp="2020-01-01T00:00:00Z"))
    shop.send(event(uuid4(), timestamp=now().isoformat()))
    shop.post([event(scene.session)])
    build_stale()
    figures = {name: figure["value"] for name, figure in data(owner)["figures"].items()}
    assert figures == {
        "events": "5",
        "sessions": "2",
        "active": "1",
        "errors": "1",
        "waiting": "1",
        "stale": "0",
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
    # Who asks (2), totals, figures (2), and the rollups of these and of the minutes (4 each).
    with django_assert_num_queries(13):
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
