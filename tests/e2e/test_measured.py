"""Sessions that a real browser recorded, measured once more by the definitions alone."""

import json
import math
from collections.abc import Callable

import pytest

from reports.fold import FoldEvent
from reports.models import PointerSecond, SessionReport
from reports.parameters import PARAMETERS
from tests.e2e.conftest import Visitor
from tests.e2e.test_tracker import key, only_session, samples, show
from tests.processes import Process
from tests.reports.reference import about, is_as_defined, reference
from tests.waiting import until
from tracking.models import Batch, Event, Session

__all__ = ["key"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REST_MS = 650
LONG_PAGE = '<p style="height: 4000px">A long page</p>'
HIDE = """
Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
document.dispatchEvent(new Event("visibilitychange"));
"""
SHOW = """
delete document.visibilityState;
document.dispatchEvent(new Event("visibilitychange"));
"""


def straight_with_rests(visitor: Visitor) -> None:
    for end in ((700.0, 80.0), (700.0, 500.0), (90.0, 500.0)):
        visitor.move_along([(80.0, 80.0), end], steps=25)
        visitor.page.wait_for_timeout(REST_MS)


def circles(visitor: Visitor) -> None:
    angles = [n * math.tau / 60 for n in range(121)]
    circle = [(500 + 200 * math.cos(angle), 400 + 200 * math.sin(angle)) for angle in angles]
    visitor.move_along(circle, steps=1)


def zigzag_across_a_change_of_page(visitor: Visitor) -> None:
    zigzag = [(60.0 + 40 * n, 300.0 + (-1) ** n * 60) for n in range(12)]
    visitor.move_along(zigzag, steps=6)
    visitor.page.evaluate("history.pushState({}, '', '/shop/shoes')")
    visitor.move_along(zigzag[::-1], steps=6)


def clicks_in_anger(visitor: Visitor) -> None:
    visitor.move_along([(100.0, 100.0), (400.0, 300.0)])
    for _ in range(5):
        visitor.page.mouse.click(400, 300)
        visitor.page.wait_for_timeout(60)
    visitor.move_along([(400.0, 300.0), (800.0, 300.0)])
    visitor.page.mouse.click(800, 300)


def scrolling_and_a_hidden_tab(visitor: Visitor) -> None:
    visitor.move_along([(100.0, 100.0), (300.0, 600.0)])
    visitor.page.mouse.wheel(0, 900)
    visitor.move_along([(300.0, 600.0), (500.0, 200.0)])
    visitor.page.evaluate(HIDE)
    visitor.page.wait_for_timeout(REST_MS)
    visitor.page.evaluate(SHOW)
    visitor.move_along([(500.0, 200.0), (900.0, 700.0)])


@pytest.mark.parametrize(
    ("visit", "at_least"),
    [
        (straight_with_rests, {"strokes": 3, "gaps": 2}),
        (circles, {"turning_rad": 2 * math.tau * 0.9, "flips_x": 2, "flips_y": 2}),
        (zigzag_across_a_change_of_page, {"page_views": 2, "strokes": 2, "flips_y": 16}),
        (clicks_in_anger, {"clicks": 6, "rage_bursts": 1}),
        (scrolling_and_a_hidden_tab, {"strokes": 2}),
    ],
)
def test_a_recorded_session_is_measured_as_defined(
    visitor: Visitor,
    worker: Process,
    key: str,
    visit: Callable[[Visitor], None],
    at_least: dict[str, float],
) -> None:
    show(visitor, key, body=LONG_PAGE)
    visit(visitor)
    moved = len(visitor.reference())
    visitor.open("/docs/errors")
    session = only_session().pk
    until(lambda: len(samples(session)) >= moved and not Batch.objects.exists())
    until(lambda: not Session.objects.get(pk=session).stale)

    stored = Event.objects.filter(session=session).order_by("id")
    events = [
        FoldEvent(one.id, one.timestamp, one.category, one.name, json.dumps(one.data))
        for one in stored
    ]
    offset = Session.objects.get(pk=session).clock_offset_ms
    expected = reference(events, PARAMETERS, clock_offset_ms=offset)
    report = SessionReport.objects.get(pk=session)
    is_as_defined(report, expected, PARAMETERS)
    for name, value in at_least.items():
        assert getattr(report, name) >= value, name

    seconds = PointerSecond.objects.filter(session=session)
    assert {row.second for row in seconds} == {*expected.seconds}
    for row in seconds:
        for name, value in expected.seconds[row.second].items():
            assert getattr(row, name) == about(value), (row.second, name)
