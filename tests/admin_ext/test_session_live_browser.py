"""A session's page in a real browser while events come in, and while its report is awaited."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils.timezone import now

from reports import builder
from reports.models import SessionReport
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.admin_ext.test_session_browser import ACROSS, ENDED, listed, stroke
from tests.cast import START, Sender, at, event
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.processes import Process
from tests.waiting import until
from tracking.models import Session

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIRST_ROW = "document.querySelector('.eye-timeline li')"
STATUS = "[data-timeline-status]"
LAG = "document.querySelector('[data-lag]').textContent"
# How many rows the timeline has lost.
REMOVED = """
window.removed = 0;
new MutationObserver((changes) => {
  for (const { target, removedNodes } of changes) {
    if (target.matches?.(".eye-timeline")) removed += removedNodes.length;
  }
}).observe(document, { childList: true, subtree: true });
"""


@pytest.fixture
def just_now() -> float:
    """For the timestamps of a live session."""
    return (now() - START).total_seconds() - 20


def open_page(boss: Visitor, session: UUID) -> None:
    boss.open(f"/admin/tracking/session/{session}/change/")


def open_live(boss: Visitor, shop: Sender, *sent: Any) -> UUID:
    """The page of a session of these events, once they are all in its report."""
    session = uuid4()
    shop.send(*[{**one, "session_id": f"{session}"} for one in sent])
    until(lambda: SessionReport.objects.filter(pk=session, events=len(sent)).exists())
    boss.context.add_init_script(REMOVED)
    open_page(boss, session)
    boss.wait_for(lambda: len(listed(boss)) == min(len(sent), 50))
    return session


def seen_at(seconds: float, n: int = 0, **fields: Any) -> Any:
    return event("", timestamp=at(seconds), data={"n": n}, **fields)


class TestTheTimelineOfALiveSession:
    def test_many_events_of_one_time_stay_listed(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        session = open_live(boss, shop, *[seen_at(just_now, n) for n in range(60)])
        boss.page.click(".eye-timeline summary")
        boss.page.wait_for_timeout(4_500)
        assert boss.page.evaluate("removed") == 0
        assert boss.page.evaluate(f"{FIRST_ROW}.querySelector('details').open")
        shop.send(event(session, name="new", timestamp=at(just_now + 1)))
        boss.wait_for(lambda: listed(boss)[0] == "page interaction / new")
        assert boss.page.evaluate("removed") == 0
        nothing_is_wrong(boss)

    def test_more_than_a_page_at_once_comes_on_top(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        session = open_live(boss, shop, seen_at(just_now, name="first"))
        more = [seen_at(just_now + n / 100, n) for n in range(1, 121)]
        shop.send(*[{**one, "session_id": f"{session}"} for one in more])
        boss.page.wait_for_selector("text=121 events, all there are.")
        assert listed(boss)[-1] == "page interaction / first"
        assert boss.page.evaluate("removed") == 0
        times = boss.page.eval_on_selector_all(
            ".eye-timeline li", "(all) => all.map((one) => Number(one.dataset.at))"
        )
        assert times == sorted(times, reverse=True)

    def test_what_comes_while_a_filter_leaves_most_out_is_looked_through_once(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        session = open_live(boss, shop, *[seen_at(just_now, n) for n in range(60)])
        boss.page.fill("[name=text]", "needle")
        boss.page.wait_for_selector("text=No event passes the filter.")
        shop.send(event(session, name="needle", timestamp=at(just_now + 1)))
        boss.wait_for(lambda: listed(boss) == ["page interaction / needle"])
        lost = boss.page.evaluate("removed")
        boss.page.wait_for_timeout(2_500)
        assert boss.page.evaluate("removed") == lost

    def test_it_is_loaded_once(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        asked: list[str] = []
        boss.page.on("request", lambda request: asked.append(request.url))
        open_live(boss, shop, *[seen_at(just_now - n, n) for n in range(60)])
        boss.page.wait_for_timeout(2_500)
        loads = [url for url in asked if "page_size=50" in url and "timestamp_after" not in url]
        assert len(loads) == 1
        assert boss.page.evaluate("removed") == 0

    @pytest.mark.parametrize(("ordering", "seconds"), [("-timestamp", -5), ("timestamp", 5)])
    def test_what_is_not_listed_yet_is_told_and_loaded(
        self,
        boss: Visitor,
        shop: Sender,
        worker: Process,
        just_now: float,
        ordering: str,
        seconds: float,
    ) -> None:
        session = open_live(boss, shop, seen_at(just_now, name="first"))
        with boss.page.expect_response(f"**/events?ordering={ordering}&*"):
            boss.page.select_option("[name=ordering]", ordering)
        boss.page.wait_for_selector("text=1 event, all there are.")
        shop.send(event(session, name="late", timestamp=at(just_now + seconds)))
        boss.page.wait_for_selector("text=1 of 2 events.")
        boss.page.click("text=Load again")
        boss.page.wait_for_selector("text=2 events, all there are.")
        assert listed(boss) == ["page interaction / first", "page interaction / late"]
        assert boss.page.is_hidden("[data-more]")

    def test_it_says_when_it_cannot_follow_and_goes_on(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        open_live(boss, shop, seen_at(just_now))
        boss.context.set_offline(True)
        boss.page.wait_for_selector(f"{STATUS}:text('does not answer; trying again')")
        boss.context.set_offline(False)
        boss.page.wait_for_selector("text=1 event, all there are.")


class TestTheNumbersOfALiveSession:
    def test_a_category_and_the_end_are_those_of_the_report(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        session = open_live(boss, shop, seen_at(just_now))
        end = boss.page.locator(".eye-session-head time").last
        before = end.inner_text()
        pointer = stroke(session, 0, ACROSS) | {"timestamp": at(just_now + 7)}
        shop.send(pointer, event(session, timestamp=at(just_now + 6)))
        counted = boss.page.locator(".eye-facts div", has_text="pointer events")
        counted.wait_for()
        assert counted.locator("dd").inner_text() == "1"
        others = boss.page.locator(".eye-facts div", has_text="page interaction events")
        assert others.locator("dd").inner_text() == "2"
        assert end.inner_text() > before
        assert end.get_attribute("title")
        nothing_is_wrong(boss)

    def test_a_report_that_does_not_come_is_told(
        self, boss: Visitor, shop: Sender, worker: Process, just_now: float
    ) -> None:
        session = open_live(boss, shop, seen_at(just_now))
        boss.page.route("**/report", lambda route: route.fulfill(status=500))
        shop.send(event(session, timestamp=at(just_now + 1)))
        boss.until(f"{LAG}.includes('trying again')")
        boss.page.unroute("**/report")
        boss.until(f"!{LAG}.includes('trying again')")
        assert boss.page.inner_text("[data-fact=events]") == "2"


@pytest.fixture
def nobody_works(worker: Process) -> Iterator[None]:
    worker.kill()
    yield
    worker.start()


@pytest.mark.usefixtures("nobody_works")
class TestAReportThatIsAwaited:
    def test_it_is_shown_when_it_is_there(self, boss: Visitor, shop: Sender, session: UUID) -> None:
        shop.send(stroke(session, 0, ACROSS))
        open_page(boss, session)
        boss.page.wait_for_selector("text=The report is being built.")
        builder.build(session)
        boss.page.wait_for_selector("text=The whole report")
        nothing_is_wrong(boss)

    def test_it_is_no_longer_called_stale_when_it_is_not(
        self, boss: Visitor, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=at(ENDED)))
        builder.build(session)
        shop.send(event(session, timestamp=at(ENDED + 1)))
        open_page(boss, session)
        assert boss.page.is_visible("text=report stale")
        builder.build(session)
        boss.until("!document.body.textContent.includes('report stale')")
        assert boss.page.inner_text("[data-made=state]") == "up to date"
        assert boss.page.inner_text("[data-fact=events]") == "2"
        nothing_is_wrong(boss)

    def test_it_is_asked_for_a_minute_at_most(
        self, boss: Visitor, shop: Sender, session: UUID
    ) -> None:
        shop.send(event(session, timestamp=at(ENDED)))
        until(lambda: Session.objects.filter(pk=session).exists())
        asked: list[str] = []
        boss.page.on("request", lambda request: asked.append(request.url))
        boss.page.clock.install()
        open_page(boss, session)
        for _ in range(40):
            boss.page.clock.fast_forward(2_000)
            boss.page.wait_for_timeout(100)
        pointer = [url for url in asked if "/pointer" in url]
        assert 10 < len(pointer) <= 31
        boss.page.clock.fast_forward(60_000)
        boss.page.wait_for_timeout(300)
        assert len([url for url in asked if "/pointer" in url]) == len(pointer)
