"""Times in a browser that is somewhere: what the server renders and what scripts draw agree."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils.timezone import now

from reports.rollup import roll_up
from tests.admin_ext.cast import Scene
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.cast import START
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.processes import Process
from tracking.models import Session

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

ZONE = "America/St_Johns"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("window", [{"timezone_id": ZONE}], indirect=True),
]

FIRST_OF_TIMELINE = ".eye-timeline li:last-child time"
PAGE_ZONE = "document.querySelector('[data-zone]').dataset.zone"
TICKS = "Chart.getChart('speed').scales.x.ticks.map(({label}) => label)"


def local(moment: datetime | None, written: str = "%Y-%m-%d %H:%M:%S") -> str:
    assert moment is not None
    return f"{moment.astimezone(ZoneInfo(ZONE)):{written}}"


def test_the_first_page_after_the_sign_in_knows_the_zone(boss: Visitor) -> None:
    assert boss.page.evaluate(PAGE_ZONE) == ZONE
    assert f"Times are in {ZONE}, now {local(now(), 'UTC%:z')}" in boss.page.inner_text("body")
    nothing_is_wrong(boss)


def test_a_sessions_page_tells_one_time(boss: Visitor, scene: Scene, worker: Process) -> None:
    session = Session.objects.get()
    boss.open(f"/admin/tracking/session/{scene.session}/change/")
    boss.page.wait_for_selector(FIRST_OF_TIMELINE)
    first = boss.page.locator("header.eye-session-head time").first
    assert first.inner_text() == local(session.first_at)
    timeline = boss.page.locator(FIRST_OF_TIMELINE)
    assert timeline.inner_text()[:8] == local(session.first_at, "%H:%M:%S")
    assert timeline.get_attribute("title") == first.get_attribute("title")
    ticks = boss.until(TICKS)
    assert {tick[:2] for tick in ticks} <= {
        local(session.first_at, "%H"),
        local(session.last_at, "%H"),
    }
    boss.until("document.querySelector('[data-replay=clock]').textContent.includes('·')")
    assert f"· {local(session.last_at, '%H:%M')}" in boss.page.inner_text("[data-replay=clock]")
    nothing_is_wrong(boss)


def test_a_page_that_came_before_the_cookie_agrees_with_itself(boss: Visitor, scene: Scene) -> None:
    boss.context.clear_cookies(name="eye_zone")
    boss.open(f"/admin/tracking/session/{scene.session}/change/")
    assert boss.page.evaluate(PAGE_ZONE) == "UTC"
    boss.page.wait_for_selector(FIRST_OF_TIMELINE)
    shown = boss.page.locator("header.eye-session-head time").first.inner_text()
    assert boss.page.inner_text(FIRST_OF_TIMELINE)[:8] == shown[11:]
    boss.page.reload()
    assert boss.page.evaluate(PAGE_ZONE) == ZONE


def test_a_period_is_typed_in_the_zone_and_means_the_same_to_everybody(
    boss: Visitor, scene: Scene
) -> None:
    roll_up()
    boss.page.select_option("select[name=period]", label="Custom …")
    boss.page.fill("[name=from]", local(START, "%Y-%m-%dT%H:%M"))
    boss.page.fill("[name=to]", local(now() + timedelta(minutes=1), "%Y-%m-%dT%H:%M"))
    boss.page.click("[data-scope] .eye-button")
    boss.page.wait_for_url(f"**&zone={ZONE.replace('/', '%2F')}")
    assert boss.page.inner_text("[data-figure=events] [data-value]") == "3"
    assert boss.page.input_value("[name=from]") == local(START, "%Y-%m-%dT%H:%M")
    boss.page.click("[data-chart=arrivals] summary")
    row = boss.page.locator("[data-chart=arrivals] tr:has(td:nth-child(2):text-is('3')) a")
    minute = row.inner_text()
    row.click()
    boss.page.wait_for_url("**from=*Z&to=*Z")
    assert boss.page.input_value("[name=from]").replace("T", " ") == minute
    assert boss.page.inner_text("[data-figure=events] [data-value]") == "3"
    nothing_is_wrong(boss)
