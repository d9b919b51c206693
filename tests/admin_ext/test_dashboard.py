"""The first page and its numbers."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries

from admin_ext import board, queries
from admin_ext.scope import named
from admin_ext.spans import PERIODS
from reports.builder import build_stale
from reports.models import RollupChange
from reports.periods import HOUR, floored
from reports.rollup import roll_up
from reports.rollups import Counts
from tests.admin_ext.cast import HOSTILE, Scene, staff, task_result
from tests.cast import START, Sender, elsewhere, event, path
from tests.waiting import until
from tracking import claims, inbox
from tracking.audit import Actor
from tracking.digest import digest_until_empty
from tracking.kind_counts import OTHER
from tracking.models import Receipt, SetAsideBatch, Tally

DATA = reverse("admin:eye_dashboard_data")


def data(client: Client, **query: Any) -> Any:
    response = client.get(DATA, query)
    assert response.status_code == 200, response.content
    return response.json()


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def sign(client: Client, name: str) -> dict[str, Any]:
    found = by_name(data(client)["signs"])[name]
    return {key: found[key] for key in ("value", "note", "kind")}


def iso(moment: datetime) -> str:
    return moment.isoformat()


def arrived(shop: Sender, moment: datetime, stored: int, rejected: int = 0) -> None:
    """As a digest tells it."""
    Tally.objects.create(
        application_id=shop.application_id,
        minute=moment,
        sent=stored + rejected,
        stored=stored,
        rejected=rejected,
    )


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
        kept = SetAsideBatch.objects.get(receipt=batch.receipt)
        inbox.replay([kept.pk], Actor("somebody"))
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
        moment = now()
        scopes = [
            named(id, name, ZoneInfo("UTC"), moment)
            for id in (None, shop.application_id)
            for name in PERIODS
        ]
        return [(scope.key, board._board(scope)) for scope in scopes]

    before = told()
    assert RollupChange.objects.exists()
    assert all(one.overview.period.stored == 5 for _, one in before)
    roll_up()
    assert not RollupChange.objects.exists()
    for (_, waiting), (_, rolled_up) in zip(before, told(), strict=True):
        assert waiting.overview.period == replace(
            rolled_up.overview.period,
            start=waiting.overview.period.start,
            end=waiting.overview.period.end,
        )
        filled = [
            [one for one in b.overview.buckets if one != Counts()] for b in (waiting, rolled_up)
        ]
        assert filled[0] == filled[1]


def test_it_says_how_old_the_oldest_change_is_that_is_not_rolled_up(
    owner: Client, scene: Scene
) -> None:
    RollupChange.objects.update(written_at=now() - timedelta(hours=2))
    assert data(owner)["behind"].startswith("2 h")
    assert sign(owner, "rollups")["kind"] == "danger"
    cache.clear()
    roll_up()
    assert data(owner)["behind"] == ""
    assert sign(owner, "rollups") == {"value": "up to date", "note": "", "kind": "success"}


def test_the_numbers_of_the_day(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(event(uuid4(), timestamp="2020-01-01T00:00:00Z"))
    shop.send(event(uuid4(), timestamp=now().isoformat()))
    build_stale()
    figures = {name: figure["value"] for name, figure in by_name(data(owner)["figures"]).items()}
    assert figures == {
        "events": "5",
        "sessions": "2",
        "active": "1",
        "errors": "16.7",
        "distance": "708",
        "speed": "628",
    }


def test_what_waits_and_what_failed(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.post([event(scene.session), event(scene.session)])
    failed = task_result(scene.session)
    TaskResult.objects.filter(pk=failed.pk).update(status="FAILURE", date_done=now())
    assert sign(owner, "inbox")["value"] == "2 waiting"
    assert sign(owner, "inbox")["note"].startswith("oldest ")
    assert sign(owner, "set_aside")["value"] == "1 batch"
    assert sign(owner, "reports")["value"] == "up to date"
    assert sign(owner, "tasks")["value"] == "1 failed"


def test_each_figure_says_how_it_changed(owner: Client, shop: Sender) -> None:
    this_hour = floored(now(), HOUR)
    arrived(shop, this_hour - timedelta(hours=3), stored=200, rejected=0)
    arrived(shop, this_hour - timedelta(hours=1), stored=90, rejected=10)
    whole = {"from": iso(this_hour - timedelta(hours=2)), "to": iso(this_hour)}
    figures = by_name(data(owner, **whole)["figures"])
    assert figures["events"]["note"] == "−55 % from 200"
    assert (figures["errors"]["value"], figures["errors"]["tone"]) == ("10.0", "bad")
    assert figures["errors"]["note"] == "+10.0 from 0.0 %"
    assert figures["distance"]["note"] == "none, as before"
    later = {"from": iso(this_hour - timedelta(hours=1)), "to": iso(this_hour)}
    assert by_name(data(owner, **later)["figures"])["events"]["note"] == "none before"


def test_where_nothing_moved_there_is_no_speed_to_compare(owner: Client, scene: Scene) -> None:
    start = floored(START) + timedelta(minutes=2)
    after = {"from": iso(start), "to": iso(start + timedelta(minutes=10))}
    figures = by_name(data(owner, **after)["figures"])
    assert (figures["speed"]["value"], figures["speed"]["note"]) == ("–", "")
    assert figures["distance"]["note"].startswith("−100 % from ")


def test_a_period_that_goes_on_is_held_against_as_much_of_the_one_before(
    owner: Client, shop: Sender
) -> None:
    """Of an hour of which half is over, half of what the hour before brought is as before."""
    middle = floored(now())
    arrived(shop, middle - timedelta(minutes=90), stored=200)
    arrived(shop, middle - timedelta(minutes=1), stored=100)
    ahead = {"from": iso(middle - timedelta(hours=1)), "to": iso(middle + timedelta(hours=1))}
    note = by_name(data(owner, **ahead)["figures"])["events"]["note"]
    assert note in ("as before: 200", "−1 % from 200", "−2 % from 200", "−3 % from 200")


def test_an_application_has_its_own_numbers(
    owner: Client, scene: Scene, shop: Sender, stranger: Sender
) -> None:
    stranger.send(event(uuid4(), timestamp=now().isoformat()))
    build_stale()
    roll_up()
    of_stranger = data(owner, application=stranger.application_id)
    assert by_name(of_stranger["figures"])["events"]["value"] == "1"
    assert by_name(of_stranger["figures"])["active"]["value"] == "1"
    assert of_stranger["lists"]["errors"] == []
    assert by_name(data(owner)["figures"])["events"]["value"] == "4"
    page = owner.get("/admin/", {"application": stranger.application_id}).content.decode()
    assert str(scene.session)[:8] not in page
    assert f'<option value="{stranger.application_id}" selected>stranger</option>' in page


def test_a_session_counts_in_every_bucket_that_it_goes_on_in(owner: Client, shop: Sender) -> None:
    session, start = uuid4(), floored(now(), HOUR) - timedelta(hours=5)
    shop.send(*[event(session, timestamp=(start + n * HOUR).isoformat()) for n in range(3)])
    build_stale()
    span = {"from": iso(start - HOUR), "to": iso(start + 4 * HOUR)}
    active = {bucket["start"]: bucket["sessions"] for bucket in data(owner, **span)["buckets"]}
    first = start.timestamp()
    assert [active[first + n * 3_600] for n in (-1, 0, 1, 2)] == [0, 1, 1, 1]
    assert active[first + 3 * 3_600] == 0


def test_errors_and_pages_come_ranked_with_the_way_to_their_lists(
    owner: Client, shop: Sender, session: UUID
) -> None:
    shop.send(event(session, category="", data=5), event(session, name=""))
    moved = path(session, 0, [0.0, 16.0], [1.0, 2.0], [1.0, 2.0])
    moved["data"]["page"] = {"path": HOSTILE[0], "w": 1280, "h": 4000, "scroll_x": 0, "scroll_y": 0}
    shop.send(moved)
    build_stale()
    roll_up()
    shown = data(owner)["lists"]
    assert [(row["label"], row["count"]) for row in shown["errors"]] == [
        ("empty", 2),
        ("not_an_object", 1),
    ]
    assert [(row["label"], row["count"]) for row in shown["pages"]] == [(HOSTILE[0], 2)]
    query = parse_qs(urlsplit(shown["pages"][0]["url"]).query)
    assert query["application"] == [str(shop.application_id)]
    for row in (*shown["errors"], *shown["pages"]):
        assert owner.get(row["url"]).status_code == 200
    assert HOSTILE[0] not in owner.get("/admin/").content.decode()


def test_categories_and_names_come_ranked_with_the_way_to_their_events(
    owner: Client, shop: Sender, stranger: Sender, session: UUID
) -> None:
    named = {"category": HOSTILE[2], "name": HOSTILE[4]}
    shop.send(*[event(session, **named, data={"n": n}) for n in range(3)], event(session))
    roll_up()
    stranger.send(event(session))
    shown = data(owner)["lists"]
    assert [(row["label"], row["count"]) for row in shown["categories"]] == [
        (HOSTILE[2], 3),
        ("page interaction", 2),
    ]
    assert [(row["label"], row["note"], row["count"]) for row in shown["names"]] == [
        ("\\u202egnp.exe", HOSTILE[2], 3),
        ("cta click", "page interaction", 2),
    ]
    query = parse_qs(urlsplit(shown["names"][0]["url"]).query)
    assert query == {"category": [HOSTILE[2]], "name": [HOSTILE[4]], "period": ["24h"]}
    for row in (*shown["categories"], *shown["names"]):
        listed = owner.get(row["url"]).context["cl"].result_list
        assert len(listed) == row["count"], row
    of_stranger = data(owner, application=stranger.application_id)["lists"]
    assert [row["count"] for row in of_stranger["names"]] == [1]


def test_kinds_without_room_are_told_together(owner: Client, shop: Sender) -> None:
    kinds = {"page": {"view": 1}, OTHER: {OTHER: 5}}
    Tally.objects.create(application_id=shop.application_id, minute=floored(now()), kinds=kinds)
    lists = data(owner)["lists"]
    for name, known in (("categories", "page"), ("names", "view")):
        assert [row["label"] for row in lists[name]] == ["all others", known]


def test_every_figure_leads_to_its_list_in_the_same_scope(
    owner: Client, scene: Scene, shop: Sender
) -> None:
    asked = {"application": shop.application_id, "period": "7d"}
    shown = data(owner, **asked)
    for name, query in (
        ("events", {"application": [str(shop.application_id)], "period": ["7d"]}),
        ("sessions", {"application": [str(shop.application_id)], "period": ["7d"]}),
        ("active", {"application": [str(shop.application_id)]}),
        ("distance", {"application": [str(shop.application_id)], "period": ["7d"]}),
    ):
        assert parse_qs(urlsplit(by_name(shown["figures"])[name]["url"]).query) == query, name
    links = [one["url"] for one in (*shown["figures"], *shown["signs"]) if one["url"]]
    assert len(links) == 10
    for link in links:
        assert owner.get(link).status_code == 200, link


def test_errors_lead_to_their_kinds_and_active_sessions_to_the_live_ones(
    owner: Client, scene: Scene, shop: Sender
) -> None:
    of_shop = {"application": [str(shop.application_id)]}
    shown = data(owner, application=shop.application_id, period="1h")
    figures = by_name(shown["figures"])
    live, errors, code = map(
        urlsplit,
        (figures["active"]["url"], figures["errors"]["url"], shown["lists"]["errors"][0]["url"]),
    )
    assert (live.path, parse_qs(live.query)) == (reverse("admin:eye_live"), of_shop)
    of_hour = {**of_shop, "period": ["1h"]}
    assert (errors.path, parse_qs(errors.query)) == (reverse("admin:eye_errors"), of_hour)
    assert (code.path, parse_qs(code.query)) == (errors.path, {**of_hour, "code": ["empty"]})
    assert figures["errors"]["note"] == "none before"
    assert f'href="{errors.path}?period=30d">Rejected</a>' in owner.get("/admin/").content.decode()


def test_a_period_of_ones_own_leads_to_its_own_rows(owner: Client, scene: Scene) -> None:
    span = {"from": f"{START - HOUR:%Y-%m-%dT%H:%MZ}", "to": f"{START + HOUR:%Y-%m-%dT%H:%MZ}"}
    shown = data(owner, **span)
    figures, (code,) = by_name(shown["figures"]), shown["lists"]["errors"]
    for link in (
        *(figures[name]["url"] for name in ("events", "sessions", "distance")),
        code["url"],
    ):
        asked = parse_qs(urlsplit(link).query)
        assert {name: asked[name] for name in span} == {name: [span[name]] for name in span}, link
        assert owner.get(link).status_code == 200
    assert urlsplit(code["url"]).path == reverse("admin:eye_errors")


def test_errors_of_long_ago_lead_to_their_list(owner: Client, scene: Scene) -> None:
    for days, leads in ((31, "admin:eye_errors"), (33, "admin:tracking_eventerror_changelist")):
        begin = f"{now() - timedelta(days=days):%Y-%m-%dT%H:%MZ}"
        (code,) = data(owner, **{"from": begin})["lists"]["errors"]
        assert urlsplit(code["url"]).path == reverse(leads)
        assert owner.get(code["url"]).status_code == 200


def test_nothing_leads_to_a_list_that_one_may_not_see(scene: Scene) -> None:
    watcher = staff("watcher", "view_session", "view_receipt", "view_sessionreport")
    figures = by_name(data(watcher)["figures"])
    assert {name for name, figure in figures.items() if figure["url"]} == {
        "sessions",
        "active",
        "distance",
        "speed",
    }
    assert watcher.get("/admin/").status_code == 200
    assert [row["url"] for row in data(watcher)["lists"]["errors"]] == [""]
    assert reverse("admin:eye_errors") not in watcher.get("/admin/").content.decode()


def test_many_open_pages_ask_no_more_than_one(
    owner: Client, scene: Scene, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Who asks (2), the applications' names, the overview (7), who is active (5), the pages (2),
    # the failed tasks, health (2), the totals and the latest sessions.
    with django_assert_num_queries(22):
        data(owner)
    with django_assert_num_queries(3):
        data(owner)
    # For a page also what came first of all.
    with django_assert_num_queries(4):
        owner.get("/admin/")


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
