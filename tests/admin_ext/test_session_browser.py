"""A session's page in a real browser: replay, charts, timeline and heatmap, with mouse and keys."""

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.utils.timezone import now
from playwright.sync_api import Route

from reports.models import SessionReport
from tests.admin_ext.cast import HOSTILE
from tests.admin_ext.test_browser import PASSWORD, boss, nothing_is_wrong
from tests.cast import START, Sender, at, event, path
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.e2e.test_capture import AWAY
from tests.processes import Process
from tests.waiting import until
from tracking.models import Event

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# An hour before the other tests' time: these sessions have ended.
ENDED = -3_600.0
WIDTH, HEIGHT = 800, 500
SLIDER = "Number(document.querySelector('.eye-scrub input').value)"
DURATION = "Number(document.querySelector('.eye-scrub input').max)"
READY = f"{DURATION} > 0"
SCALE = "(({min, max}) => [min, max])(Chart.getChart('speed').scales.x)"
WHY = "#why-teleports"
# Of a canvas, for each of the page's.
PIXELS = "(({width, clientWidth}) => Math.round(width / clientWidth))(document.querySelector('%s'))"
DAY = 86_400
SPAN = f"(([min, max]) => max - min)({SCALE})"
# How many pixels of the stage have about the colour of a variable, in a box of the viewport.
COLOURED = """([variable, x0, y0, x1, y1, w, h]) => {
  const canvas = document.querySelector(".eye-stage canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {
    willReadFrequently: true,
  });
  copy.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  copy.fillRect(0, 0, 1, 1);
  const wanted = copy.getImageData(0, 0, 1, 1).data;
  copy.drawImage(canvas, 0, 0);
  const scale = Math.min(canvas.width / w, canvas.height / h);
  const [left, top] = [(canvas.width - w * scale) / 2, (canvas.height - h * scale) / 2];
  const box = [left + x0 * scale, top + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale];
  const {data} = copy.getImageData(...box.map(Math.round));
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    count += [0, 1, 2].every((part) => Math.abs(data[i + part] - wanted[part]) < 8);
  }
  return count;
}"""


def stroke(
    session: UUID, second: float, points: Sequence[tuple[float, float]], page: str = "/"
) -> Any:
    """A point every 100 ms."""
    xs, ys = ([float(place[axis]) for place in points] for axis in (0, 1))
    sent = path(session, ENDED + second, [n * 100.0 for n in range(len(xs))], xs, ys)
    sent["data"] |= {
        "viewport": {"w": WIDTH, "h": HEIGHT},
        "page": {"path": page, "w": WIDTH, "scroll_x": 0, "scroll_y": 0},
    }
    return sent


def click(session: UUID, second: float, x: float, y: float) -> Any:
    data = {"x": x, "y": y, "button": 0}
    return event(session, category="pointer", name="click", data=data, timestamp=at(ENDED + second))


ACROSS = [(100 + 30 * n, 100) for n in range(20)]
BELOW = [(100 + 30 * n, 400) for n in range(20)]


@pytest.fixture
def walk(shop: Sender, session: UUID, worker: Process) -> UUID:
    """Two strokes far apart, with a pause of 18 s between; a burst of clicks; other events."""
    shop.send(
        stroke(session, 0, ACROSS),
        *[click(session, 1 + n / 5, 400, 250) for n in range(4)],
        stroke(session, 20, BELOW, "/cart"),
        event(session, timestamp=at(ENDED + 10), data={"element": "chat bubble"}),
        event(session, category="form", name="submit", timestamp=at(ENDED + 21), data={"ok": True}),
    )
    until(lambda: SessionReport.objects.filter(pk=session, clicks=4).exists())
    return session


def open_session(boss: Visitor, session: UUID) -> None:
    boss.open(f"/admin/tracking/session/{session}/change/")
    boss.until(READY)


def coloured(boss: Visitor, variable: str, *box: float) -> int:
    count: int = boss.page.evaluate(COLOURED, [variable, *box, WIDTH, HEIGHT])
    return count


def playhead(boss: Visitor) -> float:
    return float(boss.page.evaluate(SLIDER))


def said(boss: Visitor, part: str) -> str:
    return boss.page.inner_text(f"[data-replay={part}]")


def press(boss: Visitor, *keys: str) -> None:
    for key in keys:
        boss.page.keyboard.press(key)


def test_what_somebody_did_is_watched_by_staff(visitor: Visitor, worker: Process) -> None:
    page = visitor.page
    User.objects.create_superuser("owner", password=PASSWORD)
    visitor.open("/")
    visitor.move_along([(200, 300), (600, 300), (600, 600)])
    for _ in range(4):
        page.mouse.click(600, 600)
    visitor.move_along([(600, 600), (300, 500)])
    session = visitor.session()
    samples = len(visitor.reference())
    until(lambda: SessionReport.objects.filter(pk=session, samples=samples, clicks=4).exists())

    visitor.open(f"/admin/tracking/session/{session}/change/")
    page.fill("[name=username]", "owner")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(f"**/session/{session}/change/")
    visitor.until(READY)
    assert "4 clicks, 4 of them in rage" in said(visitor, "about")
    assert said(visitor, "page") == "/"
    assert said(visitor, "viewport") == "1,280 × 800"
    page.focus(".eye-stage")
    press(visitor, "Home", "+", "+", "+", "+", " ")
    assert page.inner_text("[data-do=play]") == "Pause"
    visitor.until(f"{SLIDER} === {DURATION}")
    visitor.until("document.querySelector('[data-do=play]').textContent === 'Play'")
    assert (visitor.errors, visitor.said) == ([], [])


class TestTheReplay:
    def test_it_begins_with_all_of_the_last_page_and_draws_no_line_over_a_gap(
        self, boss: Visitor, walk: UUID
    ) -> None:
        open_session(boss, walk)
        assert said(boss, "page") == "/cart"
        assert coloured(boss, "--eye-speed", 100, 395, 690, 405) > 0
        assert coloured(boss, "--eye-quiet", 0, 0, WIDTH, 390) == 0
        press_on_stage(boss, ",")
        width = boss.page.evaluate("document.getElementById('session').clientWidth")
        press(boss, "[")
        assert said(boss, "page") == "/"
        boss.page.wait_for_timeout(300)
        assert boss.page.evaluate("document.getElementById('session').clientWidth") == width
        assert coloured(boss, "--eye-trouble", 380, 230, 420, 270) > 0
        assert coloured(boss, "--eye-speed", 100, 110, 690, 225) == 0
        nothing_is_wrong(boss)

    def test_it_is_stepped_and_scrubbed_with_keys(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        press_on_stage(boss, "Home")
        assert playhead(boss) == 0
        press(boss, ".")
        assert playhead(boss) == 20_000
        press(boss, "[")
        assert playhead(boss) == 1_600
        press(boss, "[", "[", "[", "[")
        assert playhead(boss) == 1_000
        press(boss, "]")
        assert playhead(boss) == 1_200
        press(boss, "ArrowRight", "ArrowRight")
        assert playhead(boss) == 3_200
        press(boss, "ArrowLeft", ",")
        assert playhead(boss) == 0
        boss.page.focus(".eye-scrub input")
        press(boss, "End")
        assert playhead(boss) == boss.page.evaluate(DURATION) == 21_900
        assert said(boss, "clock").startswith("0:21.9 / 0:21.9 · ")

    def test_a_pause_is_skipped_with_a_note_or_waited_for(self, boss: Visitor, walk: UUID) -> None:
        clock = boss.page.clock
        clock.install()
        open_session(boss, walk)
        clock.pause_at(boss.page.evaluate("Date.now()") + 1_000)
        seek(boss, 1_800)
        boss.page.click("[data-do=play]")
        clock.run_for(1_000)
        assert playhead(boss) == pytest.approx(20_100, abs=100)
        assert said(boss, "note") == "A pause: 17.3 s skipped"
        boss.page.click("[data-do=play]")
        boss.page.uncheck("[data-replay=skip]")
        seek(boss, 3_000)
        boss.page.click("[data-do=play]")
        clock.run_for(500)
        assert said(boss, "note") == "No movement for 18.1 s"
        assert playhead(boss) == pytest.approx(3_500, abs=100)

    def test_it_is_as_sharp_as_the_screen_it_is_moved_to(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        screen = {"width": 1280, "height": 800, "mobile": False}
        devtools = boss.context.new_cdp_session(boss.page)
        for sharpness in (2, 3):
            override = {**screen, "deviceScaleFactor": sharpness}
            devtools.send("Emulation.setDeviceMetricsOverride", override)
            # What tells the page of it too; the override alone does not.
            boss.page.emulate_media(color_scheme="dark" if sharpness == 2 else "light")
            for canvas in (".eye-stage canvas", ".eye-heat canvas"):
                boss.until(f"{PIXELS % canvas} === {sharpness}")

    def test_what_is_newer_is_offered_and_loaded(
        self, boss: Visitor, walk: UUID, shop: Sender
    ) -> None:
        open_session(boss, walk)
        assert boss.page.is_hidden("[data-do=reload]")
        shop.send(stroke(walk, 40, ACROSS))
        until(lambda: SessionReport.objects.filter(pk=walk, samples=60).exists())
        open_session(boss, walk)
        assert boss.page.evaluate(DURATION) == 21_900
        boss.page.click("[data-do=reload]")
        boss.until(f"{DURATION} === 41_900")
        assert boss.page.is_hidden("[data-do=reload]")
        nothing_is_wrong(boss)

    def test_a_session_without_a_pointer_says_so(
        self, boss: Visitor, shop: Sender, session: UUID, worker: Process
    ) -> None:
        shop.send(event(session))
        until(lambda: SessionReport.objects.filter(pk=session).exists())
        boss.open(f"/admin/tracking/session/{session}/change/")
        boss.page.wait_for_selector("text=there is nothing to replay")
        boss.page.wait_for_selector("text=No movement on a page")
        assert boss.page.is_disabled("[data-do=play]")
        nothing_is_wrong(boss)


def press_on_stage(boss: Visitor, key: str) -> None:
    boss.page.focus(".eye-stage")
    press(boss, key)


def seek(boss: Visitor, to: int) -> None:
    boss.page.eval_on_selector(
        ".eye-scrub input",
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }",
        to,
    )


class TestTheCharts:
    def test_they_are_zoomed_with_keys(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        whole = boss.until(SCALE)
        assert whole[1] - whole[0] == pytest.approx(21_900, abs=1_100)
        boss.page.focus(".eye-plot >> nth=0")
        press(boss, "+")
        assert boss.page.evaluate(SPAN) == pytest.approx((whole[1] - whole[0]) / 2, rel=0.01)
        begin = boss.page.evaluate(SCALE)[0]
        press(boss, "ArrowLeft")
        assert boss.page.evaluate(SCALE)[0] < begin
        press(boss, "-")
        assert boss.page.evaluate(SCALE) == whole
        press(boss, "+", "+", "Escape")
        assert boss.page.evaluate(SCALE) == whole
        press(boss, *["+"] * 9)
        assert boss.page.evaluate(SPAN) == 2_000
        boss.page.click("[data-reset]")
        assert boss.page.evaluate(SCALE) == whole
        assert boss.page.is_disabled("[data-reset]")
        nothing_is_wrong(boss)

    def test_they_are_zoomed_with_the_mouse_both_alike(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        whole = boss.until(SCALE)
        drag(boss, "#speed", 0.25, 0.5)
        assert boss.page.evaluate(SPAN) == pytest.approx((whole[1] - whole[0]) / 4, rel=0.05)
        other = SCALE.replace("speed", "distance")
        assert boss.page.evaluate(SCALE) == boss.page.evaluate(other)
        boss.page.dblclick("#distance")
        assert boss.page.evaluate(SCALE) == whole

    def test_a_click_takes_the_replay_there(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.until(SCALE)
        drag(boss, "#speed", 0.5, 0.5)
        assert playhead(boss) == pytest.approx(11_000, abs=700)
        cursors = boss.page.eval_on_selector_all(
            ".eye-cursor", "(all) => all.map((one) => [one.hidden, parseFloat(one.style.left)])"
        )
        assert [hidden for hidden, _ in cursors] == [False, False]
        assert cursors[0][1] == pytest.approx(cursors[1][1], abs=0.5)
        boss.page.focus(".eye-plot >> nth=1")
        before = playhead(boss)
        press(boss, "Shift+ArrowRight")
        assert playhead(boss) == pytest.approx(before + 1_000, abs=11)


def drag(boss: Visitor, canvas: str, start: float, end: float) -> None:
    """Between two places of a chart, as parts of its width."""
    boss.page.locator(canvas).scroll_into_view_if_needed()
    left, right, y = boss.page.eval_on_selector(
        canvas,
        """(canvas) => {
          const {left, top} = canvas.getBoundingClientRect();
          const area = Chart.getChart(canvas).chartArea;
          return [left + area.left, left + area.right, top + area.top + 20];
        }""",
    )
    boss.page.mouse.move(left + (right - left) * start, y)
    boss.page.mouse.down()
    boss.page.mouse.move(left + (right - left) * end, y, steps=5)
    boss.page.mouse.up()


def listed(boss: Visitor) -> list[str]:
    names: list[str] = boss.page.eval_on_selector_all(
        ".eye-timeline .eye-what", "(all) => all.map((one) => one.textContent)"
    )
    return names


# Presses "Show more" whenever it is there.
LOAD_ALL = """{
  const more = document.querySelector("[data-more]");
  const press = () => more.hidden || more.click();
  new MutationObserver(press).observe(more, { attributes: true });
  press();
}"""
CLICKS = ["pointer / click"] * 4


class TestTheTimeline:
    def test_it_is_filtered_and_read_with_keys(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.wait_for(lambda: len(listed(boss)) == 8)
        press(boss, "/")
        boss.page.keyboard.type("chat BUBBLE")
        boss.wait_for(lambda: listed(boss) == ["page interaction / cta click"])
        assert boss.page.inner_text("[data-timeline-status]") == "1 event, all there are."
        press(boss, "Tab", "Tab")  # over the order, and into the list
        press(boss, "Enter")
        boss.page.wait_for_selector(".eye-timeline pre")
        assert json.loads(boss.page.inner_text(".eye-timeline pre")) == {"element": "chat bubble"}
        assert playhead(boss) == 10_000
        assert boss.page.get_attribute(".eye-timeline li", "aria-current") == "true"
        (found,) = Event.objects.filter(session=walk, category="page interaction")
        link = boss.page.get_attribute(".eye-timeline .eye-link", "href")
        assert link == f"/admin/tracking/event/{found.pk}/change/"
        nothing_is_wrong(boss)

    def test_it_is_filtered_by_category_and_name(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.page.select_option("[name=category]", "not:pointer")
        others = ["form / submit", "page interaction / cta click"]
        boss.wait_for(lambda: listed(boss) == others)
        boss.page.select_option("[name=category]", "is:pointer")
        boss.page.fill("[name=name]", "CLI")
        boss.wait_for(lambda: listed(boss) == CLICKS)
        boss.page.fill("[name=name]", "nothing like it")
        boss.page.wait_for_selector("text=No event passes the filter.")
        boss.page.fill("[name=name]", "")
        boss.page.select_option("[name=category]", "")
        boss.page.select_option("[name=ordering]", "timestamp")
        boss.wait_for(lambda: listed(boss)[:2] == ["pointer / path", "pointer / click"])

    def test_an_event_that_is_opened_stops_the_replay_there(
        self, boss: Visitor, walk: UUID
    ) -> None:
        open_session(boss, walk)
        boss.page.fill("[name=text]", "chat bubble")
        boss.wait_for(lambda: len(listed(boss)) == 1)
        press_on_stage(boss, "Home")
        press(boss, " ")
        boss.until(f"{SLIDER} > 0")
        boss.page.click(".eye-timeline summary")
        boss.until("document.querySelector('[data-do=play]').textContent === 'Play'")
        assert playhead(boss) == 10_000

    def test_arrows_go_from_event_to_event(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.wait_for(lambda: len(listed(boss)) == 8)
        focused = "[...document.querySelectorAll('summary')].indexOf(document.activeElement)"
        first = boss.page.locator(".eye-timeline summary").first
        first.focus()
        begin = boss.page.evaluate(focused)
        press(boss, "ArrowDown", "ArrowDown", "ArrowUp")
        assert boss.page.evaluate(focused) == begin + 1

    def test_only_the_slash_alone_goes_to_the_filter(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        press(boss, "Control+/", "Alt+/", "Meta+/")
        assert boss.page.evaluate("document.activeElement.name") != "text"
        press(boss, "/")
        assert boss.page.evaluate("document.activeElement.name") == "text"

    def test_who_is_signed_out_is_told_so(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.wait_for(lambda: len(listed(boss)) == 8)
        boss.context.clear_cookies()
        boss.page.select_option("[name=ordering]", "timestamp")
        boss.page.wait_for_selector("[data-timeline-status]:text('You are signed out')")
        assert boss.page.is_hidden("[data-more]")

    def test_it_goes_on_where_it_ended(self, boss: Visitor, walk: UUID, shop: Sender) -> None:
        shop.send(*[event(walk, timestamp=at(ENDED + n), data={"n": n}) for n in range(120)])
        open_session(boss, walk)
        boss.wait_for(lambda: len(listed(boss)) == 50)
        boss.page.click("[data-more]")
        boss.wait_for(lambda: len(listed(boss)) == 100)
        boss.page.click("[data-more]")
        boss.page.wait_for_selector("text=128 events, all there are.")
        assert boss.page.is_hidden("[data-more]")

    def test_while_a_session_is_live_what_is_new_comes_on_top(
        self, boss: Visitor, shop: Sender, worker: Process
    ) -> None:
        session = uuid4()
        just_now = (now() - START).total_seconds() - 20
        shop.send(event(session, timestamp=at(just_now), data={"n": 1}))
        until(lambda: SessionReport.objects.filter(pk=session).exists())
        boss.open(f"/admin/tracking/session/{session}/change/")
        boss.wait_for(lambda: len(listed(boss)) == 1)
        shop.send(event(session, category="form", timestamp=at(just_now + 1)))
        boss.wait_for(lambda: listed(boss)[0] == "form / cta click")
        assert len(listed(boss)) == 2

    @pytest.mark.parametrize("field", ["text", "name"])
    def test_a_filter_that_finds_nothing_yet_finds_what_comes(
        self, boss: Visitor, shop: Sender, worker: Process, field: str
    ) -> None:
        session = uuid4()
        just_now = (now() - START).total_seconds() - 20
        shop.send(event(session, timestamp=at(just_now)))
        until(lambda: SessionReport.objects.filter(pk=session).exists())
        boss.open(f"/admin/tracking/session/{session}/change/")
        boss.page.fill(f"[name={field}]", "needle")
        boss.page.wait_for_selector("text=No event passes the filter.")
        shop.send(event(session, name="needle", timestamp=at(just_now + 1)))
        boss.wait_for(lambda: listed(boss) == ["page interaction / needle"])
        boss.page.wait_for_selector("text=1 event, all there are.")
        nothing_is_wrong(boss)

    def test_who_has_loaded_many_keeps_them_while_the_session_goes_on(
        self, boss: Visitor, shop: Sender, worker: Process
    ) -> None:
        session = uuid4()
        just_now = (now() - START).total_seconds() - 20
        times = [at(just_now - n / 50) for n in range(1_010)]
        shop.send(*[event(session, timestamp=time) for time in times[:500]])
        shop.send(*[event(session, timestamp=time) for time in times[500:]])
        until(lambda: SessionReport.objects.filter(pk=session, events=1_010).exists())
        boss.open(f"/admin/tracking/session/{session}/change/")
        boss.page.evaluate(LOAD_ALL)
        boss.wait_for(lambda: len(listed(boss)) == 1_010)
        shop.send(event(session, name="new", timestamp=at(just_now + 1)))
        boss.wait_for(lambda: listed(boss)[0] == "page interaction / new")
        assert len(listed(boss)) == 1_011


def test_times_of_several_days_have_dates(
    boss: Visitor, shop: Sender, session: UUID, worker: Process
) -> None:
    shop.send(stroke(session, -2 * DAY, ACROSS), stroke(session, 0, ACROSS))
    until(lambda: SessionReport.objects.filter(pk=session, samples=40).exists())
    open_session(boss, session)
    boss.wait_for(lambda: len(listed(boss)) == 2)
    dated = r"\d\d-\d\d \d\d:\d\d"
    times = boss.page.locator(".eye-timeline time").all_inner_texts()
    assert all(re.fullmatch(dated + r":\d\d\.\d{3}", time) for time in times)
    assert re.search(rf" · {dated}:\d\d\.\d$", said(boss, "clock"))
    tick, title = boss.page.evaluate(CHART_TIMES)
    assert re.fullmatch(dated, tick)
    assert re.fullmatch(dated + r":\d\d", title)
    assert boss.page.inner_text("[data-per]") == "px per 2 min"


def test_a_pages_heat_is_switched_to_clicks(boss: Visitor, walk: UUID) -> None:
    open_session(boss, walk)
    note = "[data-heat-note]"
    boss.until(f"document.querySelector('{note}').textContent.startsWith('20 samples')")
    boss.page.check("[name=heat][value=click]")
    assert boss.page.inner_text(note).startswith("4 clicks, at most 4 in one place.")
    boss.page.select_option("[data-heat-pages] select", label="/cart")
    boss.until(f"document.querySelector('{note}').textContent.startsWith('No click')")


# What the chart of the speed says of its time: below it, and where one points at it.
CHART_TIMES = """(() => {
  const {scales, options} = Chart.getChart("speed");
  const {min, max} = scales.x;
  const item = {parsed: {x: max}, chart: Chart.getChart("speed")};
  return [scales.x.ticks[0].label, options.plugins.tooltip.callbacks.title([item])];
})()"""
HEAT_NOTE = "document.querySelector('[data-heat-note]').textContent"
HEAT_PAGE = "document.querySelector('[data-heat-pages] select').selectedOptions[0].label"


class TestTheHeatmap:
    def test_the_page_that_was_chosen_last_is_shown_whichever_answer_comes_last(
        self, boss: Visitor, walk: UUID
    ) -> None:
        open_session(boss, walk)
        boss.until(f"{HEAT_PAGE} === '/'")
        held: list[Route] = []
        boss.page.route("**/heat.json?*page=%2Fcart", lambda route: held.append(route))
        boss.page.select_option("[data-heat-pages] select", label="/cart")
        boss.wait_for(lambda: held)
        boss.page.select_option("[data-heat-pages] select", label="/")
        boss.page.wait_for_timeout(500)
        held[0].continue_()
        boss.page.wait_for_timeout(500)
        assert boss.page.evaluate(HEAT_PAGE) == "/"

    def test_its_pages_stay_where_they_are_the_same(self, boss: Visitor, walk: UUID) -> None:
        open_session(boss, walk)
        boss.until(f"{HEAT_PAGE} === '/'")
        boss.page.evaluate("window.first = document.querySelector('[data-heat-pages] option')")
        with boss.page.expect_response("**/heat.json?*page=%2Fcart"):
            boss.page.select_option("[data-heat-pages] select", label="/cart")
        boss.page.wait_for_timeout(300)
        assert boss.page.evaluate("first.isConnected")
        assert boss.page.evaluate(HEAT_PAGE) == "/cart"

    def test_what_it_shows_can_be_chosen_before_it_is_there(
        self, boss: Visitor, walk: UUID
    ) -> None:
        held: list[Route] = []
        boss.page.route("**/heat.json*", lambda route: held.append(route))
        open_session(boss, walk)
        boss.wait_for(lambda: held)
        boss.page.check("[name=heat][value=click]")
        held[0].continue_()
        boss.page.wait_for_selector("text=4 clicks, at most 4 in one place.")
        nothing_is_wrong(boss)

    def test_it_asks_again_where_it_can_help_and_somebody_looks(
        self, boss: Visitor, walk: UUID
    ) -> None:
        asked: list[str] = []
        status = 503

        def refuse(route: Route) -> None:
            asked.append(route.request.url)
            route.fulfill(status=status)

        boss.context.add_init_script(AWAY)
        boss.page.clock.install()
        boss.page.route("**/heat.json*", refuse)
        boss.open(f"/admin/tracking/session/{walk}/change/")
        boss.until(f"{HEAT_NOTE}.includes('trying again')")
        boss.page.evaluate("leave()")
        boss.page.clock.fast_forward(60_000)
        boss.page.wait_for_timeout(300)
        assert len(asked) == 1
        status = 403
        boss.page.evaluate("comeBack()")
        boss.until(f"{HEAT_NOTE}.includes('signed out')")
        boss.page.clock.fast_forward(60_000)
        boss.page.wait_for_timeout(300)
        assert len(asked) == 2


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 1440, "height": 900}},
        {"viewport": {"width": 360, "height": 800}, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_hostile_text_is_text(boss: Visitor, shop: Sender, session: UUID, worker: Process) -> None:
    for number, text in enumerate(HOSTILE):
        shop.send(
            stroke(session, 3 * number, ACROSS, page=text),
            event(
                session,
                category=text,
                name=text,
                data={text: text},
                timestamp=at(ENDED + 3 * number + 1),
            ),
        )
    until(lambda: SessionReport.objects.filter(pk=session, events=2 * len(HOSTILE)).exists())
    open_session(boss, session)
    boss.wait_for(lambda: len(listed(boss)) == 2 * len(HOSTILE))
    seen = [text.replace("\u202e", r"\u202e") for text in HOSTILE]
    assert {f"{text} / {text}" for text in seen} < {*listed(boss)}
    for summary in boss.page.locator(".eye-timeline summary").all():
        summary.click()
    payloads = boss.page.locator(".eye-timeline pre").all_inner_texts()
    for text, raw in zip(seen, HOSTILE, strict=True):
        assert any(json.dumps(text)[1:-1].replace("\\\\u", "\\u") in shown for shown in payloads), (
            raw
        )
    press_on_stage(boss, "Home")
    for text in seen:
        assert said(boss, "page") == text
        press(boss, ".")
    pages = boss.page.locator("[data-heat-pages] option").all_inner_texts()
    assert {*pages} == {*seen}
    nothing_is_wrong(boss)


class TestAFlag:
    @pytest.fixture
    def flag(self, boss: Visitor, shop: Sender, session: UUID, worker: Process) -> Any:
        shop.send(path(session, ENDED, [0.0, 100.0, 200.0], [0.0, 9_000.0, 0.0], [0.0] * 3))
        until(lambda: SessionReport.objects.filter(pk=session).exists())
        boss.open(f"/admin/tracking/session/{session}/change/")
        assert boss.page.is_hidden(WHY)
        return boss.page.locator("[aria-describedby=why-teleports]")

    def test_it_says_why_it_is_there_when_it_has_the_focus(self, boss: Visitor, flag: Any) -> None:
        flag.focus()
        press(boss, "Shift+Tab", "Tab")
        assert boss.page.is_visible(WHY)
        press(boss, "Escape")
        assert boss.page.is_hidden(WHY)
        press(boss, "Shift+Tab", "Tab")
        assert boss.page.is_visible(WHY)
        nothing_is_wrong(boss)

    def test_one_can_point_at_what_it_says_and_put_it_away(self, boss: Visitor, flag: Any) -> None:
        flag.hover()
        assert boss.page.is_visible(WHY)
        boss.page.locator(WHY).hover()
        boss.page.wait_for_timeout(400)
        assert boss.page.is_visible(WHY)
        press(boss, "Escape")
        assert boss.page.is_hidden(WHY)
        boss.page.mouse.move(0, 0)
        flag.hover()
        assert boss.page.is_visible(WHY)
        nothing_is_wrong(boss)
