"""What the page of the live sessions is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from admin_ext import live_sessions
from reports import builder
from tests.admin_ext.cast import HOSTILE, staff
from tests.cast import START, Sender, event, path, sender
from tests.waiting import until
from tracking.audit import Actor
from tracking.erase import erase_session
from tracking.models import Batch, Session

PAGE = reverse("admin:eye_live")
DATA = reverse("admin:eye_live_data")
# The visitor's session and the visitor; how many are live, and those that changed.
QUERIES = 4


def ago(seconds: float) -> float:
    """As the cast counts time."""
    return (now() - START).total_seconds() - seconds


def moved(session: UUID, seconds: float, **data: Any) -> Any:
    """In 944 ms it went 590 px."""
    t = [n * 16.0 for n in range(60)]
    made = path(session, ago(seconds), t, [10.0 * n for n in range(60)], [0.0] * 60)
    made["data"] |= data
    return made


def sent(who: Sender, *events: Any) -> None:
    who.send(*events)
    until(lambda: builder.build_stale() and not builder.has_news())


def ask(client: Client, **query: Any) -> Any:
    response = client.get(DATA, query)
    assert response.status_code == 200
    return response.json()


def board(client: Client, **query: Any) -> Any:
    return ask(client, **query)["board"]


def told(client: Client, **query: Any) -> set[str]:
    return {one["id"] for one in board(client, **query)["sessions"]}


def test_a_session_that_moves_is_told_with_its_numbers(
    owner: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, moved(session, 1, page={"path": "/cart", "w": 1280}), event(session, category=""))
    answer = board(owner)
    assert (answer["whole"], answer["total"], answer["waiting_s"]) == (True, 1, 0)
    (one,) = answer["sessions"]
    assert (one["id"], one["applications"], one["page"]) == (str(session), "shop", "/cart")
    assert (one["events"], one["errors"], one["events_per_s"]) == (1, 1, 0.1)
    assert one["distance_px"] == pytest.approx(590)
    assert one["last"] - one["first"] == pytest.approx(944, abs=1)
    assert one["last"] == pytest.approx(now().timestamp() * 1000, abs=30_000)
    # 10 px each 16 ms, in one second or the two that it touched.
    assert set(one["line"]) == {625}
    assert one["line_end"] == int(one["last"] / 1000)


def test_between_two_movements_the_line_says_that_it_rested(
    owner: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, moved(session, 30), moved(session, 10))
    (one,) = board(owner)["sessions"]
    assert len(one["line"]) in {21, 22}
    assert one["line"].count(625) <= 4
    assert one["line"].count(0) >= 17


def test_what_has_not_changed_is_not_told_again(owner: Client, shop: Sender, session: UUID) -> None:
    sent(shop, moved(session, 20))
    wait_for_a_cursor_after_it(owner)
    since = ask(owner)["cursor"]
    assert board(owner, since=since)["sessions"] == []
    another = uuid4()
    sent(shop, moved(another, 1))
    answer = until(lambda: (found := board(owner, since=since))["sessions"] and found)
    assert (answer["whole"], answer["total"]) == (False, 2)
    assert [one["id"] for one in answer["sessions"]] == [str(another)]


def wait_for_a_cursor_after_it(client: Client) -> None:
    """A cursor tells a little more than what came after it: a build may commit late."""
    until(lambda: not told(client, since=ask(client)["cursor"]))


def test_nothing_new_is_answered_in_a_word(owner: Client, shop: Sender, session: UUID) -> None:
    sent(shop, moved(session, 20))
    wait_for_a_cursor_after_it(owner)
    since = ask(owner)["cursor"]
    etag = owner.get(DATA, {"since": since})["ETag"]
    again = {"If-None-Match": etag}
    assert owner.get(DATA, {"since": since}, headers=again).status_code == 304
    sent(shop, moved(session, 1))
    until(lambda: owner.get(DATA, {"since": since}, headers=again).status_code == 200)


def test_events_without_a_report_are_told_too(owner: Client, shop: Sender, session: UUID) -> None:
    sent(shop, moved(session, 20))
    wait_for_a_cursor_after_it(owner)
    since = ask(owner)["cursor"]
    shop.send(event(session, timestamp=now().isoformat()), moved(uuid4(), 2))
    answer = until(lambda: (found := board(owner, since=since))["total"] == 2 and found)
    assert sorted(one["events"] for one in answer["sessions"]) == [1, 2]
    assert [one["distance_px"] for one in answer["sessions"] if one["events"] == 1] == [None]


@pytest.mark.parametrize("since", ["", "0", "-1", "soon", "9" * 18, "9" * 30, "1700000000"])
def test_with_no_cursor_or_an_old_one_all_is_told(
    since: str, owner: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, moved(session, 100))
    answer = board(owner, since=since)
    assert (answer["whole"], len(answer["sessions"])) == (True, 1)


def test_who_left_five_minutes_ago_is_live_no_more(
    owner: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, moved(uuid4(), 301), moved(session, 280))
    answer = board(owner)
    assert [one["id"] for one in answer["sessions"]] == [str(session)]
    assert answer["total"] == 1


def test_who_is_erased_is_told_no_more(owner: Client, shop: Sender, session: UUID) -> None:
    sent(shop, moved(session, 10))
    assert told(owner) == {str(session)}
    erase_session(session, None, Actor("somebody"))
    until(lambda: not told(owner))


def test_those_that_move_come_first_and_of_them_who_began_last(owner: Client, shop: Sender) -> None:
    early, late, resting, gone = (uuid4() for _ in range(4))
    sent(shop, moved(gone, 200), moved(resting, 60))
    sent(shop, moved(early, 50), moved(late, -4), moved(early, -5))
    until(lambda: len(told(owner)) == 4)
    shown = [UUID(one["id"]) for one in board(owner)["sessions"]]
    assert shown == [late, early, resting, gone]


def test_the_page_is_the_one_last_told_of(owner: Client, shop: Sender, session: UUID) -> None:
    view = {"category": "page interaction", "name": "pageview", "data": {"path": "/home"}}
    click = {"category": "pointer", "name": "click", "data": {"x": 1, "y": 2}}
    moment = (now() - timedelta(seconds=20)).isoformat()
    sent(shop, event(session, **view, timestamp=moment))
    (one,) = board(owner)["sessions"]
    assert one["page"] == "/home"
    sent(shop, moved(session, 10, page={"path": "/cart", "w": 1280}))
    sent(shop, event(session, **click, timestamp=now().isoformat()))
    until(lambda: board(owner)["sessions"][0]["events"] == 3)
    assert board(owner)["sessions"][0]["page"] == "/cart"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("/", ""),
        ([1], ""),
        ({"path": None}, ""),
        ({"path": {"a": 1}}, '{"a": 1}'),
        ({"path": 7}, "7"),
    ],
)
def test_a_page_of_any_kind_is_only_text(
    page: Any, shown: str, owner: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, event(session, data={"page": page}, timestamp=now().isoformat()))
    (one,) = board(owner)["sessions"]
    assert one["page"] == shown


@pytest.mark.parametrize("text", [*HOSTILE, "long " * 100])
def test_foreign_text_is_short_and_without_invisible_marks(
    text: str, owner: Client, session: UUID
) -> None:
    sent(sender(text[:80]), moved(session, 3, page={"path": text, "w": 1280}))
    (one,) = board(owner)["sessions"]
    for shown in (one["page"], one["applications"]):
        assert "\u202e" not in shown
        assert len(shown) <= live_sessions.MOST_TEXT + 5


def test_an_application_is_told_of_its_sessions(
    owner: Client, shop: Sender, stranger: Sender, session: UUID
) -> None:
    both = uuid4()
    sent(shop, moved(session, 8), moved(both, 5))
    sent(stranger, moved(both, 3))
    assert told(owner, application=stranger.application_id) == {str(both)}
    of_shop = board(owner, application=shop.application_id)
    assert (len(of_shop["sessions"]), of_shop["total"]) == (2, 2)
    assert told(owner, application="of nobody") == {str(session), str(both)}
    (one,) = board(owner, application=stranger.application_id)["sessions"]
    assert one["applications"] == "shop, stranger"


def test_events_that_wait_for_long_are_told(owner: Client, shop: Sender, session: UUID) -> None:
    shop.post([moved(session, 3)])
    assert board(owner)["waiting_s"] == 0
    Batch.objects.update(received_at=now() - timedelta(seconds=40))
    until(lambda: board(owner)["waiting_s"] >= 40)


def test_it_costs_the_same_for_more_sessions(owner: Client, shop: Sender, session: UUID) -> None:
    sent(shop, moved(session, 3))
    assert until(lambda: cost(owner) == QUERIES)
    sent(shop, *[moved(uuid4(), n) for n in range(20)])
    assert until(lambda: cost(owner) == QUERIES)
    assert Session.objects.count() == 21


def cost(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        ask(client)
    assert len(queries) <= QUERIES, [query["sql"][:150] for query in queries]
    return len(queries)


def test_who_asks_in_the_same_second_costs_no_more_than_one(
    owner: Client, analyst: Client, shop: Sender, session: UUID
) -> None:
    sent(shop, moved(session, 3))

    def costs_nothing() -> bool:
        ask(owner)
        with CaptureQueriesContext(connection) as queries:
            ask(analyst)
        return not [one for one in queries if "tracking_session" in one["sql"]]

    until(costs_nothing)


def test_a_cache_that_is_away_costs_only_time(
    owner: Client, shop: Sender, session: UUID, settings: Any
) -> None:
    sent(shop, moved(session, 3))
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://[::1]:1"}
    settings.CACHES = {"default": away}
    assert told(owner) == {str(session)}


def test_it_is_only_read(owner: Client) -> None:
    assert owner.post(DATA).status_code == 405
    assert owner.post(PAGE).status_code == 405


@pytest.mark.parametrize("missing", ["view_session", "view_sessionreport"])
def test_every_permission_is_needed(missing: str, transactional_db: None) -> None:
    nearly = staff("nearly", *({"view_session", "view_sessionreport"} - {missing}))
    assert (nearly.get(PAGE).status_code, nearly.get(DATA).status_code) == (403, 403)
    assert 'href="/admin/live/"' not in nearly.get("/admin/").content.decode()


def test_the_page_offers_the_applications(owner: Client, shop: Sender) -> None:
    for text in HOSTILE:
        sender(text)
    page = owner.get(PAGE, {"application": shop.application_id}).content.decode()
    assert f'<option value="{shop.application_id}" selected>shop</option>' in page
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page
