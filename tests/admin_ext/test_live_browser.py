"""The page of the live sessions in a real browser, with real workers."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.sessions.models import Session as SignedIn
from django.utils.timezone import now

from admin_ext.live_sessions import MOST_SHOWN
from tests.admin_ext.cast import HOSTILE
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.admin_ext.test_live import moved
from tests.cast import Sender, sender
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.waiting import until
from tracking.models import Session

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("worker"),
]

SHOWN = """() => [...document.querySelectorAll("[data-rows] > *")].map((row) => Object.fromEntries(
    ["applications", "page", "distance", "rate", "age", "duration", "peak", "errors"].map(
        (name) => [name, row.querySelector(`[data-${name}]`).textContent],
    ).concat([
        ["id", row.querySelector("[data-link]").title],
        ["line", row.querySelector("[data-line]").getAttribute("d")],
    ]),
))"""
FIRST = "[data-rows] > :first-child"
TOP = "document.querySelector('[title=\"{}\"]').getBoundingClientRect().top"


def shown(visitor: Visitor) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = visitor.page.evaluate(SHOWN)
    return rows


def ids(visitor: Visitor) -> list[str]:
    return [row["id"] for row in shown(visitor)]


def count(visitor: Visitor) -> str:
    return visitor.page.inner_text("[data-count]")


def opened(visitor: Visitor, query: str = "") -> None:
    visitor.open(f"/admin/live/{query}")
    visitor.until("/[0-9] live/.test(document.querySelector('[data-count]').textContent)")


def fill(many: int) -> None:
    """So many sessions that rest."""
    moment = now() - timedelta(minutes=2)
    Session.objects.bulk_create(
        Session(first_at=moment, last_at=moment, event_count=1) for _ in range(many)
    )


def test_a_session_that_begins_appears_and_moves(
    boss: Visitor, shop: Sender, session: UUID
) -> None:
    opened(boss)
    assert count(boss) == "0 live sessions"
    assert boss.page.is_visible("text=Nobody is here right now")
    assert boss.page.get_attribute("#live a:has-text('capture page')", "href") == "/"
    boss.page.evaluate("window.same = true")
    shop.post([moved(session, 1, page={"path": "/cart", "w": 1280})])
    boss.wait_for(lambda: [row["distance"] for row in shown(boss)] == ["590 px"])
    (row,) = shown(boss)
    assert (row["id"], row["applications"], row["page"]) == (str(session), "shop", "/cart")
    assert (row["peak"], row["rate"]) == ("625 px/s", "0.1")
    assert row["line"].startswith("M")
    assert (count(boss), boss.page.is_visible("text=Nobody is here")) == ("1 live session", False)
    shop.post([moved(session, -1)])
    boss.wait_for(lambda: shown(boss)[0]["distance"] == "1,180 px")
    assert boss.page.evaluate("window.same")
    nothing_is_wrong(boss)


def test_a_click_anywhere_in_a_row_leads_to_its_session(
    boss: Visitor, shop: Sender, session: UUID
) -> None:
    shop.post([moved(session, 3)])
    opened(boss)
    boss.wait_for(lambda: shown(boss))
    boss.page.click(f"{FIRST} >> [data-distance]", force=True)
    boss.page.wait_for_url(f"**/admin/tracking/session/{session}/change/")
    nothing_is_wrong(boss)


def test_the_keyboard_leads_from_row_to_row_and_into_one(boss: Visitor, shop: Sender) -> None:
    sessions = [uuid4() for _ in range(3)]
    shop.post([moved(session, 60 + n) for n, session in enumerate(sessions)])
    opened(boss)
    boss.wait_for(lambda: ids(boss) == [str(session) for session in sessions])
    boss.page.focus("[data-pause]")
    boss.page.keyboard.press("Tab")
    for key in ("ArrowDown", "End", "ArrowUp"):
        boss.page.keyboard.press(key)
    boss.page.keyboard.press("Enter")
    boss.page.wait_for_url(f"**/admin/tracking/session/{sessions[1]}/change/")
    nothing_is_wrong(boss)


def test_rows_keep_their_places_under_the_mouse(boss: Visitor, shop: Sender) -> None:
    first, second = uuid4(), uuid4()
    shop.post([moved(first, 60)])
    opened(boss)
    boss.wait_for(lambda: ids(boss) == [str(first)])
    top = boss.page.evaluate(TOP.format(first))
    boss.page.hover(FIRST)
    shop.post([moved(second, 2)])

    def is_told_of_it() -> bool:
        boss.page.mouse.move(700, top + 5)
        boss.page.mouse.move(705, top + 5)
        return "1 new" in boss.page.inner_text("[data-held]")

    boss.wait_for(is_told_of_it)
    assert ids(boss) == [str(first)]
    assert boss.page.evaluate(TOP.format(first)) == top
    boss.page.mouse.move(5, 5)
    boss.wait_for(lambda: ids(boss) == [str(second), str(first)])
    assert boss.page.inner_text("[data-held]") == ""
    nothing_is_wrong(boss)


def test_who_was_here_five_minutes_ago_leaves_the_page(boss: Visitor, shop: Sender) -> None:
    shop.post([moved(uuid4(), 297)])
    opened(boss)
    boss.wait_for(lambda: not shown(boss) and boss.page.is_visible("text=Nobody is here"))
    nothing_is_wrong(boss)


def test_foreign_text_is_shown_and_does_nothing(boss: Visitor, session: UUID) -> None:
    opened(boss)
    for text in HOSTILE:
        sender(text).post([moved(session, 3, page={"path": text, "w": 1280}), moved(uuid4(), 3)])
    boss.wait_for(lambda: len(shown(boss)) == 1 + len(HOSTILE))
    boss.wait_for(lambda: "<script>" in shown(boss)[-1]["applications"] + str(shown(boss)))
    boss.page.fill("[name=find]", HOSTILE[0])
    boss.wait_for(lambda: len(shown(boss)) >= 1)
    assert "\u202e" not in str(shown(boss))
    boss.page.reload()
    boss.wait_for(lambda: len(shown(boss)) >= 1)
    nothing_is_wrong(boss)


def test_what_is_looked_for_and_the_application_are_in_the_address(
    boss: Visitor, shop: Sender, stranger: Sender
) -> None:
    cart, home, other = (uuid4() for _ in range(3))
    shop.post([moved(cart, 9, page={"path": "/cart", "w": 1280}), moved(home, 9)])
    stranger.post([moved(other, 9)])
    opened(boss)
    boss.wait_for(lambda: len(shown(boss)) == 3)
    boss.page.select_option("[name=application]", label="shop")
    boss.wait_for(lambda: {*ids(boss)} == {str(cart), str(home)})
    boss.page.fill("[name=find]", "CAR")
    boss.wait_for(lambda: ids(boss) == [str(cart)])
    assert count(boss) == "1 of 2 live sessions"
    assert boss.page.url.endswith(f"/admin/live/?application={shop.application_id}&find=CAR")
    boss.page.reload()
    boss.wait_for(lambda: ids(boss) == [str(cart)])
    boss.page.fill("[name=find]", "nowhere")
    boss.page.click("text=Show all that are live")
    boss.wait_for(lambda: {*ids(boss)} == {str(cart), str(home)})
    nothing_is_wrong(boss)


def test_an_application_of_which_nobody_is_here_leads_to_the_others(
    boss: Visitor, shop: Sender, stranger: Sender, session: UUID
) -> None:
    shop.post([moved(session, 9)])
    opened(boss, f"?application={stranger.application_id}")
    boss.page.click("text=Show all applications")
    boss.wait_for(lambda: ids(boss) == [str(session)])
    assert boss.page.url.endswith("/admin/live/")
    nothing_is_wrong(boss)


def test_a_pause_asks_for_nothing_and_changes_nothing(
    boss: Visitor, shop: Sender, session: UUID
) -> None:
    shop.post([moved(session, 9)])
    opened(boss)
    boss.wait_for(lambda: len(shown(boss)) == 1 and "px" in shown(boss)[0]["distance"])
    boss.page.click("[data-pause]")
    assert "Paused at" in boss.page.inner_text("[data-lag]")
    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    before = shown(boss)
    shop.post([moved(session, 1), moved(uuid4(), 1)])
    until(lambda: Session.objects.count() == 2)
    boss.page.wait_for_timeout(1_500)
    assert (shown(boss), asked) == (before, [])
    boss.page.click("[data-pause]")
    boss.wait_for(lambda: len(shown(boss)) == 2)
    nothing_is_wrong(boss)


def test_where_more_are_live_than_are_shown_the_page_says_so(
    boss: Visitor, shop: Sender, session: UUID
) -> None:
    fill(MOST_SHOWN + 3)
    shop.post([moved(session, 2)])
    opened(boss)
    boss.wait_for(lambda: count(boss) == f"{MOST_SHOWN} of {MOST_SHOWN + 4} live sessions")
    assert boss.page.is_visible("text=Choose an application")
    assert ids(boss)[0] == str(session)
    assert len(ids(boss)) == MOST_SHOWN
    nothing_is_wrong(boss)


def test_who_is_signed_out_meanwhile_is_told(boss: Visitor) -> None:
    opened(boss)
    SignedIn.objects.all().delete()
    boss.until("document.querySelector('[data-lag]').textContent.includes('signed out')")


def test_a_service_that_does_not_answer_is_told_of(boss: Visitor, session: UUID) -> None:
    opened(boss)
    boss.context.set_offline(True)
    boss.until("document.querySelector('[data-lag]').textContent.includes('trying again')")
    said = boss.page.inner_text("[data-lag]")
    assert "This is as of" in said
    boss.page.wait_for_timeout(2_500)
    assert boss.page.inner_text("[data-lag]") == said
    boss.context.set_offline(False)
    boss.wait_for(lambda: "again" not in boss.page.inner_text("[data-lag]"))


def test_of_whom_nobody_has_told_nothing_is_said(boss: Visitor) -> None:
    boss.context.route("**/live.json*", lambda route: route.fulfill(status=500))
    boss.open("/admin/live/")
    boss.until("document.querySelector('[data-lag]').textContent.includes('trying again')")
    assert boss.page.inner_text("[data-count]") == "Live sessions"
    assert "as of" not in boss.page.inner_text("[data-lag]")


def test_who_has_the_focus_of_a_row_that_leaves_gets_that_of_the_next(
    boss: Visitor, shop: Sender
) -> None:
    leaves, stays = uuid4(), uuid4()
    shop.post([moved(leaves, 296), moved(stays, 60)])
    opened(boss)
    boss.wait_for(lambda: len(ids(boss)) == 2)
    boss.page.focus(f"[data-link][title='{leaves}']")
    boss.wait_for(lambda: ids(boss) == [str(stays)])
    assert boss.page.evaluate("document.activeElement.title") == str(stays)


def test_the_lag_and_the_age_go_on(boss: Visitor, shop: Sender, session: UUID) -> None:
    shop.post([moved(session, 20)])
    opened(boss)
    boss.wait_for(lambda: shown(boss))

    def seconds(shown_row: dict[str, Any]) -> int:
        return int(shown_row["age"].split()[0])

    began = seconds(shown(boss)[0])
    boss.wait_for(lambda: seconds(shown(boss)[0]) > began)
    assert "newest data" in boss.page.inner_text("[data-lag]")
    nothing_is_wrong(boss)
