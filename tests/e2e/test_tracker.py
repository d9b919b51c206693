"""eye.js on pages of all kinds: what it records, and that it does no harm."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Sum
from playwright.async_api import async_playwright
from playwright.sync_api import Request, Route

from bench.chromium import launch_arguments
from tests.e2e.conftest import PAGE_REFERENCE, Visitor
from tests.processes import Process
from tests.waiting import until
from tracking.keys import create_key
from tracking.models import Batch, Event, Receipt, Session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NIL = UUID(int=0)
LINE = [(50.0, 60.0), (600.0, 400.0)]
TRACKER = '<script src="/static/tracking/eye.js" data-key="{key}" {more} defer></script>'


@pytest.fixture
def key(transactional_db: None) -> str:
    return create_key("shop", "publishable").key


def show(visitor: Visitor, key: str, *, before: str = "", body: str = "", more: str = "") -> None:
    """Opens a page of the shop, with the tracker in it and `before` run first."""
    html = (
        f"<!doctype html><title>Shop</title><script>{before}</script>"
        f"{TRACKER.format(key=key, more=more)}<body>{body}"
    )
    serve(visitor, html)


def serve(visitor: Visitor, html: str, path: str = "/shop?secret=1#there") -> None:
    """Opens a page that the server does not have, as if it had."""
    kind = "text/html; charset=utf-8"
    visitor.page.route("**/shop**", lambda route: route.fulfill(body=html, content_type=kind))
    visitor.open(path)
    visitor.page.unroute("**/shop**")


def samples(session: UUID) -> list[list[float]]:
    """All stored samples in the order of time, after a look at that order."""
    found: list[list[float]] = []
    ended = None
    for path in Event.objects.filter(session=session, name="path").order_by("id"):
        t, x, y = path.data["t"], path.data["x"], path.data["y"]
        assert t == sorted(t)
        assert len(t) == len(x) == len(y)
        assert ended is None or path.timestamp > ended
        ended = path.timestamp + timedelta(milliseconds=t[-1])
        found += [[*place] for place in zip(x, y, strict=True)]
    return found


def rounded(reference: list[list[float]]) -> Any:
    return [[pytest.approx(x, abs=0.006), pytest.approx(y, abs=0.006)] for x, y in reference]


def only_session() -> Session:
    until(lambda: Session.objects.exists())
    return Session.objects.get()


@contextlib.contextmanager
def another_site(html: str) -> Iterator[str]:
    """A web server with one page; gives its origin."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def tracker_from(visitor: Visitor, key: str) -> str:
    return TRACKER.format(key=key, more="").replace('src="', f'src="{visitor.web.url}')


def test_a_page_of_another_site_sends_too(
    visitor: Visitor, worker: Process, transactional_db: None
) -> None:
    issued = create_key("shop", "publishable")
    with another_site(tracker_from(visitor, issued.key)) as origin:
        issued.record.origins = [origin]
        issued.record.save()
        visitor.page.goto(origin)
        visitor.move_along(LINE)
        visitor.wait_for(lambda: Event.objects.filter(name="path").exists())
    assert not visitor.errors
    assert not visitor.said


def test_a_page_of_a_site_that_no_key_names_sends_nothing(visitor: Visitor, key: str) -> None:
    with another_site(tracker_from(visitor, key)) as origin:
        visitor.page.goto(origin)
        visitor.move_along(LINE)
        visitor.wait_for(lambda: visitor.said)
    assert not visitor.errors
    assert not Batch.objects.exists()


def test_every_sample_is_stored_once_and_in_order(
    visitor: Visitor, worker: Process, key: str
) -> None:
    show(visitor, key)
    for _ in range(3):
        visitor.move_along(LINE, steps=60)
    reference = visitor.reference()
    session = only_session()
    until(lambda: len(samples(session.pk)) >= len(reference))
    assert samples(session.pk) == rounded(reference)
    paths = Event.objects.filter(session=session, name="path")
    assert paths.count() > 1
    for path in paths:
        assert path.data["viewport"] == {"w": 1280, "h": 800}
        assert path.data["page"]["path"] == "/shop"


@dataclass
class Storm:
    """Moves sent faster than frames are drawn, which takes a client that does not wait."""

    chromium: str
    url: str
    script: str = ""
    reference: list[list[float]] = field(default_factory=list)
    coalesced: list[int] = field(default_factory=list)
    session: UUID = NIL

    async def blow(self, parts: list[int]) -> None:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=self.chromium, args=launch_arguments()
            )
            page = await browser.new_page()
            await page.add_init_script(PAGE_REFERENCE + self.script)
            await page.goto(self.url)
            cdp = await page.context.new_cdp_session(page)
            for moves in parts:
                places = [{"x": 100 + n % 500, "y": 100 + n % 7} for n in range(moves)]
                move = {"type": "mouseMoved"}
                await asyncio.gather(
                    *(cdp.send("Input.dispatchMouseEvent", move | place) for place in places)
                )
                await page.wait_for_timeout(450)
            self.reference = await page.evaluate("window.reference")
            self.coalesced = await page.evaluate("window.coalesced")
            self.session = UUID(await page.inner_text("#session"))
            await page.evaluate("eye.flush()")
            await browser.close()


def test_coalesced_samples_are_all_stored(visitor: Visitor, worker: Process, chromium: str) -> None:
    storm = Storm(chromium, visitor.web.url)
    in_thread(storm.blow([300, 300, 300]))
    assert len(storm.reference) == 900
    assert max(storm.coalesced) > 1
    until(lambda: len(samples(storm.session)) >= 900)
    assert samples(storm.session) == rounded(storm.reference)


def test_a_long_path_is_sent_in_parts(visitor: Visitor, worker: Process, chromium: str) -> None:
    never = """const set = setTimeout;
        window.setTimeout = (work, ms) => set(work, ms === 400 ? 1_000_000 : ms);"""
    storm = Storm(chromium, visitor.web.url, never)
    in_thread(storm.blow([2_100]))
    until(lambda: len(samples(storm.session)) >= 2_100)
    assert samples(storm.session) == rounded(storm.reference)
    paths = Event.objects.filter(name="path").order_by("timestamp")
    assert [len(path.data["t"]) for path in paths] == [2_000, 100]


def in_thread(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine in a thread of its own: this one has Playwright's loop already."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, work).result()


def test_what_was_recorded_when_the_page_is_left_arrives(
    visitor: Visitor, worker: Process, key: str
) -> None:
    show(visitor, key)
    until(lambda: Event.objects.filter(name="pageview").exists())
    visitor.move_along(LINE, steps=30)
    reference = visitor.reference()
    visitor.open("/docs/errors")
    session = only_session()
    until(lambda: len(samples(session.pk)) >= len(reference))
    assert samples(session.pk) == rounded(reference)


def test_a_browser_without_keepalive_sends_a_beacon_when_the_page_is_left(
    visitor: Visitor, worker: Process, key: str
) -> None:
    spy = """delete Request.prototype.keepalive;
        navigator.sendBeacon = (url, body) => {
          sessionStorage.beacon = body.type;
          return Navigator.prototype.sendBeacon.call(navigator, url, body);
        };"""
    show(visitor, key, before=spy)
    visitor.page.mouse.move(10, 10)
    visitor.page.mouse.move(20, 20)
    visitor.open("/docs/errors")
    visitor.until("sessionStorage.beacon === 'text/plain'")  # it crosses over between processes
    session = only_session()
    until(lambda: samples(session.pk) == [[10, 10], [20, 20]])


def test_a_computer_that_slept_goes_on_in_the_present(
    visitor: Visitor, worker: Process, key: str
) -> None:
    """The page's monotonic clock stood still meanwhile: here, the wall clock is ahead at once."""
    slept = "const now = Date.now; window.slept = -600_000; Date.now = () => now() + slept;"
    show(visitor, key, before=slept)
    visitor.move_along(LINE, steps=5)
    visitor.page.evaluate("slept = 0; eye.flush()")
    visitor.move_along(LINE, steps=5)
    session = only_session()
    until(lambda: len(samples(session.pk)) >= 12)
    first, *_, last = Event.objects.filter(name="path").order_by("timestamp")
    assert timedelta(minutes=9) < last.timestamp - first.timestamp < timedelta(minutes=11)
    assert last.timestamp <= last.received_at


def test_a_tab_keeps_its_session_from_page_to_page(
    visitor: Visitor, worker: Process, key: str
) -> None:
    show(visitor, key)
    serve(visitor, TRACKER.format(key=key, more=""), "/shop/cart")
    views = Event.objects.filter(name="pageview").order_by("timestamp")
    until(lambda: views.count() == 2)
    assert [view.data["path"] for view in views] == ["/shop", "/shop/cart"]
    assert {view.session_id for view in views} == {only_session().pk}


def test_the_site_may_name_the_session(visitor: Visitor, worker: Process, key: str) -> None:
    session = "0b0e8a4e-6d6c-4b1e-9a55-3f2f1f6f6b11"
    show(visitor, key, more=f'data-session="{session}"')
    assert visitor.page.evaluate("eye.session") == session
    assert str(only_session().pk) == session


def test_a_change_of_route_is_a_page_view_and_never_tells_the_query(
    visitor: Visitor, worker: Process, key: str
) -> None:
    show(visitor, key)
    visitor.page.evaluate("history.pushState({}, '', '/shop/shoes'); document.title = 'Shoes'")
    visitor.page.evaluate("history.pushState({}, '', '/shop/shoes#size')")
    visitor.page.evaluate("history.back(); setTimeout(() => history.back(), 100)")
    views = Event.objects.filter(name="pageview").order_by("timestamp")
    until(lambda: views.count() == 3)
    assert [(view.data["path"], view.data["title"]) for view in views] == [
        ("/shop", "Shop"),
        ("/shop/shoes", "Shoes"),
        ("/shop", "Shoes"),
    ]
    assert "secret" not in json.dumps([view.data for view in views])


def test_a_click_names_its_target_and_nothing_it_holds(
    visitor: Visitor, worker: Process, key: str
) -> None:
    form = (
        '<form id="pay" class="card  wide"><br><input name="id"><input name="getAttribute">'
        '<label>Card number<input id="number" class="field" value="4111"></label></form>'
        f'<p class="{"x" * 300}">Text</p>'
    )
    show(visitor, key, body=form)
    for selector in ("#number", "#pay", "p", "label"):
        corner = "const {x, y} = document.querySelector(selector).getBoundingClientRect()"
        x, y = visitor.page.evaluate(f"(selector) => {{ {corner}; return [x, y]; }}", selector)
        visitor.page.mouse.click(x + 4, y + 4)
    visitor.page.wait_for_timeout(500)
    clicks = Event.objects.filter(name="click").order_by("timestamp")
    until(lambda: clicks.count() >= 4)
    visitor.page.wait_for_timeout(500)
    assert [click.data["target"] for click in clicks] == [
        "input#number.field",
        "form#pay.card.wide",
        "p." + "x" * 98,
        "label",
    ]


def test_the_page_may_tell_what_it_likes(visitor: Visitor, worker: Process, key: str) -> None:
    show(visitor, key)
    visitor.page.evaluate("eye.event('cart', 'add', {sku: 'A1'})")
    visitor.page.evaluate("for (let i = 0; i < 3; i++) eye.event('cart', 'open')")
    visitor.page.evaluate("const loop = {}; loop.loop = loop; eye.event('cart', 'bad', loop)")
    visitor.page.evaluate("eye.event('cart', 'big', {text: 'ä'.repeat(40000)})")
    visitor.page.evaluate("eye.flush()")
    events = Event.objects.filter(category="cart")
    until(lambda: events.count() == 4)
    assert events.get(name="add").data == {"sku": "A1"}
    assert {event.data["path"] for event in events.filter(name="open")} == {"/shop"}
    assert visitor.errors == []
    assert any("64 KiB" in line for line in visitor.said)


HOSTILE = {
    "storage blocked": """Object.defineProperty(window, "sessionStorage",
        {get() { throw new DOMException("no", "SecurityError"); }});""",
    "no randomUUID": "delete Crypto.prototype.randomUUID;",
    "no crypto": 'Object.defineProperty(window, "crypto", {value: undefined});',
    "no console": "window.console = undefined;",
    "history frozen": "Object.freeze(history);",
    "eye is taken": 'window.eye = "mine";',
    "arrays extended": "Array.prototype.extra = () => {}; Object.prototype.more = 1;",
    "no coalesced events": "delete PointerEvent.prototype.getCoalescedEvents;",
    "listeners swallow": """addEventListener("pointermove", (e) => e.stopPropagation(), true);
        document.addEventListener("eye:sent", () => { throw 0; });""",
}


@pytest.mark.parametrize("before", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_records_on_an_odd_page_and_throws_nothing(
    visitor: Visitor, worker: Process, key: str, before: str
) -> None:
    show(visitor, key, before=before)
    visitor.page.mouse.move(10, 10)
    visitor.page.mouse.move(90, 90)
    visitor.page.mouse.click(100, 100)
    until(lambda: Event.objects.filter(name="click").exists())
    session = only_session()
    until(lambda: len(samples(session.pk)) >= 3)
    assert session.error_count == 0
    assert [error for error in visitor.errors if error != "0"] == []
    assert visitor.page.evaluate("String(window.eye)") in {"[object Object]", "mine"}


HOPELESS = {
    "no fetch": "delete window.fetch;",
    "fetch throws": 'window.fetch = () => { throw new Error("blocked"); };',
    "fetch gives nothing": "window.fetch = () => undefined;",
    "no encoder": "window.TextEncoder = undefined;",
    "no URL": "window.URL = undefined;",
}


@pytest.mark.parametrize("before", HOPELESS.values(), ids=HOPELESS.keys())
def test_where_it_cannot_send_it_still_throws_nothing(
    visitor: Visitor, key: str, before: str
) -> None:
    show(visitor, key, before=before)
    visitor.move_along(LINE, steps=10)
    visitor.page.mouse.click(100, 100)
    visitor.page.wait_for_timeout(600)
    visitor.open("/docs/errors")
    assert visitor.errors == []


def test_loaded_twice_it_records_once(visitor: Visitor, worker: Process, key: str) -> None:
    show(visitor, key, body=TRACKER.format(key=key, more=""))
    visitor.move_along(LINE, steps=5)
    reference = visitor.reference()
    session = only_session()
    until(lambda: len(samples(session.pk)) >= len(reference))
    assert samples(session.pk) == rounded(reference)
    assert Event.objects.filter(name="pageview").count() == 1


def test_without_a_key_it_says_so_and_rests(visitor: Visitor, key: str) -> None:
    show(visitor, "")
    visitor.move_along(LINE, steps=5)
    assert visitor.errors == []
    assert len(visitor.said) == 1
    assert "data-key" in visitor.said[0]


def test_a_server_that_was_away_gets_everything_once(
    visitor: Visitor, worker: Process, sweeper: Process, key: str
) -> None:
    show(visitor, key)
    visitor.move_along(LINE)
    visitor.web.kill()
    for _ in range(4):
        visitor.move_along(LINE)
    visitor.page.wait_for_timeout(2_000)
    visitor.web.start()
    visitor.move_along(LINE)
    reference = visitor.reference()
    session = only_session()
    until(lambda: len(samples(session.pk)) >= len(reference))
    until(lambda: not Batch.objects.exists())
    assert samples(session.pk) == rounded(reference)
    sums = Receipt.objects.aggregate(
        events=Sum("events"), stored=Sum("stored"), duplicate=Sum("duplicate")
    )
    assert sums["stored"] == Event.objects.count()
    assert sums["events"] == sums["stored"] + sums["duplicate"]


def answer_with(status: int, times: int, headers: dict[str, str]) -> tuple[Any, list[float]]:
    """A route that refuses the first `times` requests, and when each request came."""
    asked: list[float] = []

    def answer(route: Route, request: Request) -> None:
        asked.append(time.monotonic())
        if len(asked) > times:
            route.continue_()
        else:
            error = {"code": "x", "message": "Not so fast."}
            route.fulfill(status=status, headers=headers, json={"error": error})

    return answer, asked


@pytest.mark.parametrize("status", [429, 503])
def test_it_comes_back_when_it_is_asked_to(
    visitor: Visitor, worker: Process, key: str, status: int
) -> None:
    answer, asked = answer_with(status, 2, {"Retry-After": "1"})
    visitor.page.route("**/api/events*", answer)
    show(visitor, key)
    visitor.wait_for(Event.objects.exists)
    assert len(asked) == 3
    assert asked[2] - asked[0] >= 1.9


@pytest.mark.parametrize(("status", "stops"), [(400, False), (401, True), (403, True)])
def test_what_is_refused_is_not_sent_again(
    visitor: Visitor, worker: Process, key: str, status: int, stops: bool
) -> None:
    answer, asked = answer_with(status, 1, {})
    visitor.page.route("**/api/events*", answer)
    show(visitor, key)
    visitor.wait_for(lambda: asked)
    visitor.page.wait_for_timeout(800)
    assert len(asked) == 1
    visitor.page.evaluate("eye.event('cart', 'add', {sku: 'A1'})")
    visitor.page.wait_for_timeout(800)
    assert len(asked) == (1 if stops else 2)
    assert [line for line in visitor.said if "Not so fast." in line] != []
    assert not Event.objects.filter(name="pageview").exists()
    assert visitor.errors == []


def test_it_asks_for_nothing_while_nothing_happens(visitor: Visitor, key: str) -> None:
    timers = """window.timers = 0; const set = setTimeout;
        window.setTimeout = (...all) => (window.timers++, set(...all));"""
    show(visitor, key, before=timers)
    visitor.page.evaluate("eye.flush()")
    visitor.page.wait_for_timeout(500)
    before = visitor.page.evaluate("window.timers")
    visitor.page.wait_for_timeout(1_000)
    assert visitor.page.evaluate("window.timers") == before


def test_an_event_too_large_for_a_last_request_keeps_none_of_the_others_from_it(
    visitor: Visitor, worker: Process, key: str
) -> None:
    show(visitor, key)
    visitor.wait_for(lambda: Event.objects.filter(name="pageview").exists())
    visitor.page.evaluate(
        """() => {
          eye.event("shop", "large", {text: "x".repeat(61_500)});
          eye.event("shop", "small", {n: 1});
          dispatchEvent(new Event("pagehide"));
        }"""
    )
    visitor.wait_for(lambda: Event.objects.filter(category="shop").count() == 2)
    assert not visitor.errors


def test_a_page_that_is_only_prerendered_sends_nothing(visitor: Visitor, key: str) -> None:
    before = "Object.defineProperty(document, 'prerendering', {value: true});"
    show(visitor, key, before=before)
    visitor.page.evaluate("history.pushState({}, '', '/other')")
    visitor.move_along(LINE)
    visitor.page.wait_for_timeout(800)
    assert not Batch.objects.exists()
    assert not Event.objects.exists()
