"""The page of a session whose report is still to come; no worker builds it here."""

from uuid import uuid4

import pytest

from reports.builder import build_stale
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.cast import Sender, at, event
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_report_of_a_session_that_has_ended_is_waited_for(boss: Visitor, shop: Sender) -> None:
    session = uuid4()
    shop.send(event(session, timestamp=at(-3_600)))
    boss.open(f"/admin/tracking/session/{session}/change/")
    boss.page.wait_for_selector("text=The report is being built")
    build_stale()
    boss.page.wait_for_selector("[data-made=state]")
    shop.send(event(session, timestamp=at(-3_590)))
    boss.page.reload()
    boss.page.wait_for_selector("[data-stale-badge]")
    build_stale()
    boss.page.wait_for_selector("[data-stale-badge]", state="detached")
    assert boss.page.inner_text("[data-fact=events]") == "2"
    assert boss.page.inner_text("[data-category]") == "2"
    nothing_is_wrong(boss)
