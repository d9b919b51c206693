"""How pages lie: still while they are live, within any window, and on paper."""

from uuid import UUID, uuid4

import pytest
from django_celery_results.models import TaskResult

from tests.admin_ext.cast import Scene, task_result
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.admin_ext.test_live import moved
from tests.cast import Sender
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.processes import Process

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# https://web.dev/articles/cls: less than 0.1 is good. Nothing of ours has to move at all.
MOST_SHIFT = 0.01
SHIFT = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
SIZES = [{"viewport": {"width": width, "height": 800}} for width in (360, 1280)]
PAPER = {"viewport": {"width": 700, "height": 1000}, "color_scheme": "dark"}
SEEN = """(selector) => [...document.querySelectorAll(selector)].filter(
    (element) => element.checkVisibility() && element.getClientRects().length,
).length"""
CUT_OFF = """() => [...document.querySelectorAll("canvas, table, .eye-card")].filter(
    (element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1,
).length"""
PRINTED = (
    "/admin/",
    "/admin/live/",
    "/admin/errors/",
    "/admin/tasks/",
    "/admin/tracking/session/",
    "/admin/reports/sessionreport/",
    "/admin/tracking/session/{session}/change/",
)


def send_for_seconds(boss: Visitor, shop: Sender, session: UUID) -> None:
    """The session goes on, and others begin meanwhile."""
    for second in range(6):
        shop.post([moved(session, 0), moved(uuid4(), second), {"category": ""}])
        boss.page.wait_for_timeout(1_000)


@pytest.mark.parametrize("window", SIZES, indirect=True)
@pytest.mark.parametrize(
    "address", ["/admin/?period=1h", "/admin/live/", "/admin/tracking/session/{session}/change/"]
)
def test_nothing_moves_away_while_events_come_in(
    boss: Visitor, shop: Sender, scene: Scene, worker: Process, address: str
) -> None:
    boss.context.add_init_script(SHIFT)
    boss.open(address.format(session=scene.session))
    send_for_seconds(boss, shop, scene.session)
    assert boss.page.evaluate("shift") < MOST_SHIFT
    nothing_is_wrong(boss)


@pytest.mark.parametrize("window", SIZES[:1], indirect=True)
def test_a_stuck_task_is_run_again_without_scrolling_sideways(boss: Visitor, scene: Scene) -> None:
    task_result(scene.session)
    TaskResult.objects.update(status="STARTED", worker="gone@a-host-with-a-long-name")
    boss.open("/admin/tasks/")
    box = boss.page.locator("#stuck button").bounding_box()
    assert box is not None
    assert 0 <= box["x"] < box["x"] + box["width"] <= 360
    for table in ("stuck", "beat", "workers", "names"):
        part = boss.page.locator(f"#{table}")
        if part.count():
            assert part.evaluate("(part) => part.scrollWidth <= part.clientWidth"), table
    nothing_is_wrong(boss)


@pytest.mark.parametrize("window", [{"viewport": {"width": 3840, "height": 2000}}], indirect=True)
def test_a_row_stays_a_row_on_a_very_wide_screen(boss: Visitor, scene: Scene) -> None:
    boss.open("/admin/tracking/session/")
    assert boss.page.evaluate("document.getElementById('content').offsetWidth") <= 2_240


@pytest.mark.parametrize("window", [PAPER], indirect=True)
def test_pages_are_printed_light_whole_and_without_what_one_presses(
    boss: Visitor, everything: Scene
) -> None:
    boss.page.emulate_media(media="print")
    for address in PRINTED:
        # Lists lie across.
        width = 1_030 if address.count("/") > 3 and "{" not in address else 700
        boss.page.set_viewport_size({"width": width, "height": 1_000})
        boss.open(address.format(session=everything.session))
        boss.page.wait_for_load_state("networkidle" if "live" not in address else "load")
        assert not boss.page.evaluate(SEEN, "#nav-sidebar, button:not(.eye-why), [role=tooltip]")
        assert boss.page.evaluate(SEEN, "h1") == 1, address
        assert boss.page.evaluate(CUT_OFF) == 0, address
        colour = boss.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert colour == "rgb(255, 255, 255)", address
        assert boss.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
        nothing_is_wrong(boss)
