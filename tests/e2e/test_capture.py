"""The capture page in a real browser, with a real server and real workers."""

import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from django.db.models import Sum
from playwright.sync_api import Request, Response

from reports.models import PointerSecond, SessionReport
from tests.e2e.conftest import Visitor
from tests.processes import Process
from tests.waiting import until
from tracking.api.errors import CODES
from tracking.ids import micros_of
from tracking.models import Event, Session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

POLYLINE = [(120.0, 300.0), (520.0, 300.0), (520.0, 600.0), (200.0, 360.0), (640.0, 700.0)]
LENGTH = sum(math.dist(a, b) for a, b in pairwise(POLYLINE))
FIGURE = "Number(document.getElementById('{id}').textContent.replaceAll(',', ''))"

# A page that is covered up, and shown again.
AWAY = """
window.away = false;
Object.defineProperty(document, "hidden", {get: () => window.away});
const turn = (away) => {
  window.away = away;
  document.dispatchEvent(new Event("visibilitychange"));
};
window.leave = () => turn(true);
window.comeBack = () => turn(false);
"""


def figure(visitor: Visitor, id: str) -> float:
    return float(visitor.page.evaluate(FIGURE.format(id=id)))


def computed(visitor: Visitor) -> SessionReport:
    """The session's report, once it holds every sample that the page saw."""
    samples, session = len(visitor.reference()), visitor.session()
    until(lambda: SessionReport.objects.filter(pk=session, samples=samples).exists())
    return SessionReport.objects.get(pk=session)


def pointer(visitor: Visitor) -> Any:
    """What the page itself can read of its session."""
    return visitor.page.evaluate(
        """async () => {
          const {pointerUrl, sessionToken} = document.body.dataset;
          const headers = {"X-Eye-Session-Token": sessionToken};
          return (await fetch(pointerUrl, {headers})).json();
        }"""
    )


def coloured(visitor: Visitor, canvas: str, variable: str) -> int:
    """How many pixels of a canvas have the colour of a CSS variable."""
    count: int = visitor.page.evaluate(
        """([id, variable]) => {
          const canvas = document.getElementById(id);
          const probe = new OffscreenCanvas(1, 1).getContext("2d");
          probe.fillStyle = getComputedStyle(canvas).getPropertyValue(variable).trim();
          probe.fillRect(0, 0, 1, 1);
          const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
          const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let i = 0; i < data.length; i += 4) {
            count += data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255;
          }
          return count;
        }""",
        [canvas, variable],
    )
    return count


def test_a_known_path_shows_its_length_in_the_report_and_on_the_page(
    visitor: Visitor, worker: Process
) -> None:
    visitor.open()
    visitor.move_along(POLYLINE)
    report = computed(visitor)
    samples = len(visitor.reference())
    assert samples == 4 * 20 + 1
    assert report.distance_px == pytest.approx(LENGTH, abs=samples)
    seconds = PointerSecond.objects.filter(session=report.pk)
    assert seconds.aggregate(n=Sum("distance_px"))["n"] == pytest.approx(report.distance_px)

    answer = pointer(visitor)
    assert sum(row["distance_px"] for row in answer["seconds"]) == pytest.approx(report.distance_px)
    visitor.until(f"{FIGURE.format(id='samples')} === {samples}")
    assert figure(visitor, "distance") == pytest.approx(report.distance_px, abs=1)
    visitor.until(f"{FIGURE.format(id='sent')} === {FIGURE.format(id='recorded')}")
    assert coloured(visitor, "velocity-chart", "--speed") > 100
    assert coloured(visitor, "distance-chart", "--distance") > 100
    assert visitor.page.inner_text("#until").startswith("Data up to ")
    assert visitor.page.inner_text("#state") in {"Live", "Up to date"}


def test_the_charts_show_nothing_before_there_is_movement(
    visitor: Visitor, worker: Process
) -> None:
    visitor.open()
    visitor.until(f"{FIGURE.format(id='sent')} === 1")
    assert figure(visitor, "distance") == figure(visitor, "samples") == 0
    assert coloured(visitor, "distance-chart", "--distance") == 0
    assert visitor.page.inner_text("#state") == "Waiting for the first movement"


def test_page_view_and_click_are_stored(visitor: Visitor, worker: Process) -> None:
    visitor.open()
    visitor.page.click(".say h1", position={"x": 10, "y": 10}, force=True)
    events = Event.objects.filter(session=visitor.session()).order_by("timestamp")
    until(lambda: events.filter(name="click").exists())
    view, click = events.exclude(name="path")
    assert (view.category, view.name) == ("page interaction", "pageview")
    assert view.data == {
        "path": "/",
        "title": "The Eye",
        "host": visitor.web.url.removeprefix("http://"),
    }
    assert (click.category, click.name) == ("pointer", "click")
    assert click.data["button"] == 0
    assert click.data["target"] == "section#surface.surface"
    box = visitor.page.locator(".say h1").bounding_box()
    assert box
    assert click.data["x"] == pytest.approx(box["x"] + 10, abs=1)
    assert click.data["y"] == pytest.approx(box["y"] + 10, abs=1)
    assert abs((datetime.now(UTC) - click.timestamp).total_seconds()) < 60
    until(lambda: SessionReport.objects.filter(pk=visitor.session(), clicks=1).exists())
    assert SessionReport.objects.get(pk=visitor.session()).page_views == 1


def test_nothing_is_lost_where_server_and_worker_die_while_it_captures(
    visitor: Visitor, worker: Process, sweeper: Process
) -> None:
    visitor.open()
    visitor.move_along(POLYLINE[:3])
    worker.kill()
    visitor.move_along(POLYLINE[1:4])
    visitor.web.kill()
    visitor.move_along(POLYLINE[2:])
    visitor.until("document.getElementById('state').dataset.is === 'trouble'")
    assert "The server" in visitor.page.inner_text("#state")
    visitor.web.start()
    worker.start()
    visitor.move_along(POLYLINE[:2])
    report = computed(visitor)
    session = Session.objects.get(pk=visitor.session())
    visitor.until(f"{FIGURE.format(id='sent')} === {FIGURE.format(id='recorded')}")
    assert figure(visitor, "sent") == session.event_count == report.events
    assert session.error_count == 0
    visitor.until("document.getElementById('state').dataset.is === 'good'")


def test_it_looks_only_while_it_is_seen_and_at_once_when_it_is_again(
    visitor: Visitor, worker: Process
) -> None:
    visitor.context.add_init_script(AWAY)
    visitor.open()
    visitor.move_along(POLYLINE[:2])
    visitor.until(f"{FIGURE.format(id='samples')} === {len(visitor.reference())}")
    visitor.page.evaluate("leave()")
    asked: list[Request] = []
    visitor.page.on("request", lambda request: asked.append(request))
    visitor.move_along(POLYLINE[1:])
    computed(visitor)
    assert [request.url for request in asked if "/pointer" in request.url] == []
    visitor.page.evaluate("comeBack()")
    visitor.until(f"{FIGURE.format(id='samples')} === {len(visitor.reference())}")


def test_it_asks_for_what_is_new_and_says_when_that_is_drawn(
    visitor: Visitor, worker: Process
) -> None:
    visitor.context.add_init_script(
        """window.drawn = [];
        document.addEventListener("eye:drawn", ({detail}) => drawn.push(detail.data_until));"""
    )
    answers: list[Response] = []
    visitor.page.on("response", lambda answer: answers.append(answer))

    def seen() -> list[int]:
        return [answer.status for answer in answers if "/pointer" in answer.url]

    visitor.open()
    visitor.move_along(POLYLINE)
    report = computed(visitor)
    assert report.data_until
    visitor.until(f"drawn.at(-1) === {micros_of(report.data_until) // 1000}")
    assert visitor.page.evaluate("drawn.every((until, n) => !n || until > drawn[n - 1])")
    visitor.wait_for(lambda: seen()[-1] == 304)
    assert set(seen()) == {200, 304}


def test_the_page_keeps_to_its_policy_and_says_nothing_to_the_console(
    visitor: Visitor, worker: Process
) -> None:
    visitor.context.add_init_script(
        """window.violations = [];
        addEventListener("securitypolicyviolation", (event) => violations.push(event.blockedURI));"""
    )
    visitor.open()
    visitor.move_along(POLYLINE)
    visitor.page.click("summary")
    computed(visitor)
    visitor.until(f"{FIGURE.format(id='distance')} > 0")
    assert (visitor.errors, visitor.said) == ([], [])
    assert visitor.page.evaluate("violations") == []
    policy = visitor.page.evaluate(
        "fetch('/').then((answer) => answer.headers.get('content-security-policy'))"
    )
    assert "unsafe" not in policy


def test_a_keyboard_reaches_all_there_is_and_is_told_what_the_page_needs(
    visitor: Visitor,
) -> None:
    visitor.open()
    stops = []
    for _ in range(4):
        visitor.page.keyboard.press("Tab")
        stops.append(visitor.page.evaluate("document.activeElement.textContent"))
    assert stops[:2] == ["Open this session in the admin", "Put The Eye on your own site"]
    visitor.page.locator("summary").focus()
    visitor.page.keyboard.press("Enter")
    assert "eye.js" in visitor.page.inner_text("details pre")
    assert "keyboard" in visitor.page.inner_text(".needs")
    href = visitor.page.get_attribute("footer a", "href")
    assert str(visitor.session()) in (href or "")


@pytest.mark.parametrize(
    "window",
    [{"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}],
    indirect=True,
)
def test_a_finger_draws_on_a_phone(visitor: Visitor, worker: Process) -> None:
    visitor.open()
    cdp = visitor.context.new_cdp_session(visitor.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        visitor.page.wait_for_timeout(10)

    touch("touchStart", (180, 400))
    for step in range(1, 21):
        touch("touchMove", (180, 400 - 10 * step))
    touch("touchEnd")
    report = computed(visitor)
    assert report.samples >= 15
    assert 100 < report.distance_px <= 200
    assert visitor.page.evaluate("scrollY") == 0
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 360


def test_every_error_code_can_be_looked_up(visitor: Visitor) -> None:
    visitor.open("/docs/errors")
    assert visitor.page.locator(".code").evaluate_all("all => all.map((code) => code.id)") == list(
        CODES
    )
    visitor.open("/docs/errors#too_large")
    assert visitor.page.locator("#too_large").is_visible()
    assert (visitor.errors, visitor.said) == ([], [])
