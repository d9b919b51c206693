"""An analyst's morning: from errors on the dashboard to their mending, a replay and a file."""

import csv
import json
import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils.timezone import now
from playwright.sync_api import Locator, expect

from admin_ext.roles import OPERATOR
from reports.models import SessionReport
from tests.e2e.conftest import Visitor
from tests.tracking.test_reprocess import NUMBER, give_schema
from tests.waiting import until
from tracking.keys import create_key
from tracking.models import ErrorChange, ErrorGroup, Event, Receipt

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # With the web server of the visitor, these are all that run in production.
    pytest.mark.usefixtures("worker", "sweeper", "beat"),
]

NAME, PASSWORD = "nora", "coffee first, then errors"
PATIENCE_MS = 30_000
MENDED = {"type": "object", "properties": {"price": {"type": ["number", "string"]}}}
ON_CART = {
    "viewport": {"w": 1280, "h": 800},
    "page": {"path": "/cart", "w": 1280, "h": 1600, "scroll_x": 0, "scroll_y": 0},
}
# The pointer's samples are 20 ms apart; so long a pause cuts its way.
STEP_MS, GAP_MS = 20.0, 500.0


def sent(session: UUID, second: float, category: str, name: str, **data: Any) -> dict[str, Any]:
    """An event of a session that is over, though it is of this hour."""
    moment = now().replace(microsecond=0) - timedelta(minutes=10) + timedelta(seconds=second)
    return {
        "session_id": str(session),
        "category": category,
        "name": name,
        "data": data,
        "timestamp": moment.isoformat(),
    }


def moved(x: float, y: float, dx: float, dy: float, count: int = 51) -> dict[str, Any]:
    """A straight way of so many samples."""
    return {
        "t": [STEP_MS * n for n in range(count)],
        "x": [x + dx * n for n in range(count)],
        "y": [y + dy * n for n in range(count)],
        **ON_CART,
    }


def shopping(session: UUID) -> list[dict[str, Any]]:
    """1,000 px to the right in a second, 500 px down in another; the last two are rejected."""
    return [
        sent(session, 0, "page interaction", "pageview", path="/cart"),
        sent(session, 1, "pointer", "path", **moved(100, 200, dx=20, dy=0)),
        sent(session, 4, "pointer", "path", **moved(1100, 200, dx=0, dy=10)),
        sent(session, 6, "pointer", "click", x=1100, y=700, button=0),
        sent(session, 7, "form interaction", "submit", path="/cart"),
        sent(session, 8, "shop", "sale", price="12.50"),
        sent(session, 9, "", "sale", price=1),
    ]


def sales(*prices: Any) -> list[dict[str, Any]]:
    """Each in a session of its own."""
    return [sent(uuid4(), 0, "shop", "sale", price=price) for price in prices]


def measured(stored: list[dict[str, Any]]) -> dict[str, float]:
    """What the definitions say of these events, told once more in the plainest way."""
    times = [datetime.fromisoformat(one["timestamp"]) for one in stored]
    named = [(one["category"], one["name"]) for one in stored]
    steps = [step for step in way(stored, times) if step[0] <= GAP_MS]
    distance, moving = sum(px for _, px in steps), sum(ms for ms, px in steps if px)
    return {
        "events": len(stored),
        "clicks": named.count(("pointer", "click")),
        "page_views": named.count(("page interaction", "pageview")),
        "submits": named.count(("form interaction", "submit")),
        "duration_ms": (times[-1] - times[0]) / timedelta(milliseconds=1),
        "distance_px": distance,
        "moving_ms": moving,
        "mean_speed": 1_000 * distance / moving,
        "peak_speed": max(1_000 * px / ms for ms, px in steps),
    }


def way(events: list[dict[str, Any]], times: list[datetime]) -> Iterator[tuple[float, float]]:
    """From each sample of the pointer to the next one: milliseconds and pixels."""
    samples = [
        ((time - times[0]) / timedelta(milliseconds=1) + t, x, y)
        for one, time in zip(events, times, strict=True)
        if one["name"] == "path"
        for t, x, y in zip(*(one["data"][axis] for axis in "txy"), strict=True)
    ]
    for (t0, *here), (t1, *there) in pairwise(samples):
        yield t1 - t0, math.dist(here, there)


def send(visitor: Visitor, application: str, events: list[dict[str, Any]]) -> None:
    """In one request over the wire, as an application does."""
    answer = visitor.page.request.post(
        f"{visitor.web.url}/api/events",
        headers={"Authorization": f"Bearer {create_key(application, 'secret').key}"},
        data=events,
    )
    assert answer.status == 202
    until(Receipt.objects.filter(pk=answer.json()["receipt"]).exists)


@pytest.fixture
def bought(visitor: Visitor) -> list[dict[str, Any]]:
    """What a session of the shop sent this night, while prices came as text, which is not allowed."""
    give_schema(NUMBER)
    events = shopping(uuid4())
    send(visitor, "shop", events + sales(12.5, 7, 3, "7.00", "3.00", "1.99"))
    send(visitor, "market", sales("5.00"))
    until(lambda: ErrorGroup.objects.count() == 3 and not ErrorChange.objects.exists())
    until(SessionReport.objects.filter(pk=events[0]["session_id"]).exists)
    return events


@pytest.fixture
def nora(visitor: Visitor) -> Visitor:
    """An operator, who may change schemas too; signed in by hand."""
    user = User.objects.create_user(NAME, password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name=OPERATOR))
    user.user_permissions.add(Permission.objects.get(codename="change_eventtype"))
    visitor.page.set_default_timeout(PATIENCE_MS)
    visitor.open("/admin/")
    visitor.page.get_by_label("Username").fill(NAME)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Log in").click()
    return visitor


def test_a_spike_of_errors_is_mended_and_a_session_comes_out_in_a_file(
    nora: Visitor, bought: list[dict[str, Any]]
) -> None:
    session = bought[0]["session_id"]
    expected = measured(bought[:-1]) | {"errors": 1}
    assert (expected["distance_px"], expected["mean_speed"]) == (1_500, 750)

    notice(nora, rejected=5, of=13)
    look_at_the_latest(nora)
    mend_the_schema(nora)
    reprocess(nora)
    assert Event.objects.filter(category="shop").count() == 3 + 4
    notice(nora, rejected=1, of=13)

    find(nora, session)
    replay(nora)
    recompute(nora, session)
    for name in ("events", "errors", "clicks", "distance_px", "mean_speed", "peak_speed"):
        shows(nora.page.locator(f"[data-fact={name}]").first, f"{expected[name]:,.0f}")
    (row,) = export(nora, session)
    assert (row["session"], row["applications"], row["stale"]) == (session, "shop", "false")
    found = {name: float(row[name]) for name in expected}
    assert found == pytest.approx(expected)
    assert float(row["speed_p50"]) == pytest.approx(500, rel=0.01)
    assert float(row["speed_p95"]) == pytest.approx(1_000, rel=0.01)
    assert (nora.errors, nora.said) == ([], [])


def shows(place: Locator, text: str) -> None:
    expect(place).to_contain_text(text, timeout=PATIENCE_MS)


def menu(nora: Visitor, title: str) -> None:
    """The page that a line of the menu leads to. Icons are letters too, so it is found by its text."""
    nora.page.get_by_role("button", name="Menu").click()
    with nora.page.expect_navigation():
        nora.page.locator("#nav-sidebar").get_by_text(title, exact=True).click()


def of_the_shop(nora: Visitor) -> None:
    nora.page.get_by_label("Application").select_option(label="shop")
    nora.page.get_by_role("button", name="Show", exact=True).click()


def notice(nora: Visitor, rejected: int, of: int) -> None:
    """On the dashboard: as a share, in the chart and among the codes."""
    menu(nora, "Dashboard")
    nora.page.get_by_label("Period").select_option(label="Last hour")
    of_the_shop(nora)
    shows(nora.page.locator("[data-figure=errors]"), f"{100 * rejected / of:.1f}%")
    drawn = re.compile(f"Rejected: at most {rejected}\\b")
    expect(nora.page.get_by_role("img", name=drawn)).to_be_visible(timeout=PATIENCE_MS)


def look_at_the_latest(nora: Visitor) -> None:
    """The code leads to its kinds of errors, of this application and hour; one has examples."""
    nora.page.get_by_role("link", name="wrong_type").click()
    shows(nora.page.locator("#groups"), "4 errors of 1 kind in the last hour")
    nora.page.get_by_role("link", name="All its errors").click()
    expect(nora.page.locator("#result_list tbody tr")).to_have_count(4, timeout=PATIENCE_MS)
    nora.page.go_back()
    nora.page.get_by_role("link", name="Latest error").click()
    shows(nora.page.locator("#content"), '"data":{"price":"1.99"}')


def mend_the_schema(nora: Visitor) -> None:
    """Tries it first: on what is stored, and on all that were rejected of this type."""
    nora.page.get_by_role("link", name="shop / sale").click()
    nora.page.get_by_label("Schema").fill(json.dumps(MENDED))
    nora.page.get_by_role("button", name="Try").click()
    shows(nora.page.locator("#try"), "accept all of the last 3 events")
    shows(
        nora.page.locator("#try"), "Of the last 5 rejected events of this type, it would accept 5"
    )
    nora.page.get_by_role("button", name="Save", exact=True).click()
    version = nora.page.get_by_role("row").filter(has_text="sale").get_by_text("2", exact=True)
    expect(version).to_be_visible(timeout=PATIENCE_MS)


def reprocess(nora: Visitor) -> None:
    """The errors of one application alone; a page follows it; nothing of the kind is left."""
    menu(nora, "Errors")
    kind = nora.page.get_by_role("listitem").filter(has_text="shop / sale")
    of_the_shop(nora)
    expect(kind).to_have_count(1, timeout=PATIENCE_MS)
    kind.get_by_role("button", name="Reprocess…").click()
    shows(nora.page.get_by_role("dialog"), "Reprocess 4 open errors?")
    nora.page.get_by_role("button", name="Reprocess", exact=True).click()
    shows(nora.page.locator("#tasks"), "1 of 1 finished")
    shows(nora.page.locator("#tasks"), '"stored": 4')
    until(ErrorGroup.objects.filter(code="wrong_type", errors=4, resolved=4).exists)
    menu(nora, "Errors")
    of_the_shop(nora)
    shows(nora.page.locator("#groups").locator("../.."), "Not shown: 1 resolved.")
    expect(kind).to_have_count(0, timeout=PATIENCE_MS)
    nora.page.get_by_role("link", name="Show them").click()
    shows(kind, "resolved")


def find(nora: Visitor, session: str) -> None:
    menu(nora, "Sessions")
    search = nora.page.get_by_placeholder("Id, or how it begins")
    search.fill(session[:8])
    search.press("Enter")
    nora.page.get_by_role("link", name=session[:8]).click()
    shows(nora.page.get_by_role("heading", level=2).first, session)


def replay(nora: Visitor) -> None:
    """From its beginning to its end; and then to its middle, with the mouse."""
    time = nora.page.get_by_role("slider", name="Time in the session")
    play = nora.page.get_by_role("button", name="Play")
    expect(play).to_be_enabled(timeout=PATIENCE_MS)
    end = float(time.get_attribute("max") or 0)
    assert end == 5_000  # from the first sample to the click
    time.click(position={"x": 1, "y": 5})
    begin = float(time.input_value())
    assert begin < end / 10
    nora.page.get_by_role("combobox", name="Speed").select_option("4×")
    play.click()
    nora.wait_for(lambda: float(time.input_value()) > begin)
    nora.wait_for(lambda: float(time.input_value()) == end)
    expect(play).to_be_visible(timeout=PATIENCE_MS)
    time.click()
    assert float(time.input_value()) == pytest.approx(end / 2, rel=0.05)
    shows(nora.page.locator("[data-replay=page]"), "/cart")


def recompute(nora: Visitor, session: str) -> None:
    nora.page.get_by_text("Recompute report").click()
    nora.page.locator("#dialog").get_by_role("button", name="Recompute").click()
    shows(nora.page.locator("#tasks"), "1 of 1 finished")
    report = SessionReport.objects.get(pk=UUID(session))
    assert report.anew_build == report.build > 1
    nora.page.get_by_role("link", name=session[:8]).click()


def export(nora: Visitor, session: str) -> list[dict[str, str]]:
    """The rows of the file."""
    menu(nora, "Session reports")
    search = nora.page.get_by_placeholder("Session id, or how it begins")
    search.fill(session[:8])
    search.press("Enter")
    expect(nora.page.locator("#result_list tbody tr")).to_have_count(1, timeout=PATIENCE_MS)
    with nora.page.expect_download() as download:
        nora.page.get_by_role("link", name="Export all as CSV").click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
