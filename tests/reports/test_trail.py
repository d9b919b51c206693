"""The trail: thinned, but in the right place at any moment, and cut where the report is."""

from collections.abc import Iterable, Sequence
from math import cos, hypot, sin
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import thinning, trail
from reports.fold import FoldEvent, Parameters, finish, fold
from reports.moments import microseconds
from reports.thinning import FINEST_PX
from reports.trail import Stroke, Trail
from tests.reports.reference import START, Sample, click, event, move, path, samples_of, strokes_of
from tests.reports.test_fold import CASES, sessions

PARAMETERS = Parameters()
START_US = microseconds(START)
NO_PAUSE = 16.0


def trail_of(events: Iterable[FoldEvent]) -> Trail:
    pointer = {one.id: one for one in events if one.category == "pointer"}
    return trail.compute(sorted(pointer.values(), key=lambda one: (one.timestamp, one.id)))


def strokes_in(found: Trail, most: int = trail.MOST_POINTS) -> tuple[list[Stroke], float]:
    """With times as in the samples."""
    line, tolerance = found.thinned(most)
    return trail.strokes(line, 0), tolerance


def off(samples: Sequence[Sample], strokes: Sequence[Stroke]) -> float:
    """How far the samples are at most from where the strokes have the pointer at their times."""
    worst = 0.0
    for sample in samples:
        (stroke,) = [one for one in strokes if one.t[0] <= sample.t / 1000 <= one.t[-1]]
        x, y = (float(np.interp(sample.t / 1000, stroke.t, axis)) for axis in (stroke.x, stroke.y))
        worst = max(worst, hypot(sample.x - x, sample.y - y))
    return worst


def stroll(samples: int, seed: int = 1) -> list[FoldEvent]:
    """A pointer that turns this way and that, rests, and is never out of sight."""
    random = Random(seed)
    points, x, y = [], 500.0, 400.0
    for n in range(samples):
        fast = n // 40 % 3
        x += fast * (6 * sin(n / 17) + random.uniform(-2, 2))
        y += fast * (5 * cos(n / 11) + random.uniform(-2, 2))
        points.append((n * NO_PAUSE, round(x, 2), round(y, 2)))
    return [
        path(part[0][0], [(t - part[0][0], x, y) for t, x, y in part])
        for part in (points[n : n + 50] for n in range(0, samples, 50))
    ]


@CASES
@given(sessions(), st.sampled_from([2, 4, 1 << 14]))
def test_it_is_cut_as_the_report_is_and_nowhere_off(events: list[FoldEvent], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trail, "BLOCK", block)
        found = trail_of(events)
    ordered = sorted({one.id: one for one in events}.values(), key=lambda e: (e.timestamp, e.id))
    samples = samples_of(ordered)
    cut, _ = strokes_of(samples, PARAMETERS)
    shown, tolerance = strokes_in(found)
    ends = [(stroke.t[0], stroke.t[-1]) for stroke in shown if len(stroke.t) > 1]
    assert ends == [(one[0].start.t / 1000, one[-1].end.t / 1000) for one in cut]
    assert found.samples == len(samples)
    assert len(shown) == found.strokes
    assert off(samples, shown) <= tolerance + 0.01
    assert tolerance == FINEST_PX


def test_there_are_as_many_strokes_as_the_report_says() -> None:
    events = [*stroll(100), *(path(3_000 + 600 * n, [(0, 0, 0), (9, 5, 5)]) for n in range(3))]
    shown, _ = strokes_in(trail_of(events))
    report = finish(fold(None, events, PARAMETERS).state)
    assert sum(len(stroke.t) > 1 for stroke in shown) == report.strokes == 4


@pytest.mark.parametrize("most", [2, 10, 100, 1_000])
def test_with_fewer_points_it_is_off_by_no_more_than_it_says(most: int) -> None:
    events = stroll(3_000)
    shown, tolerance = strokes_in(trail_of(events), most)
    assert sum(len(stroke.t) for stroke in shown) <= most
    assert off(samples_of(events), shown) <= tolerance + 0.01


def test_more_points_are_never_farther_off() -> None:
    found = trail_of(stroll(3_000))
    tolerances = [strokes_in(found, most)[1] for most in (2, 10, 50, 250, 1_000)]
    assert tolerances == sorted(tolerances, reverse=True)
    assert tolerances[0] > 100
    assert tolerances[-1] < 3


def test_what_does_not_fit_in_memory_is_thinned_on_the_way() -> None:
    events = stroll(5_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning, "HELD", 400)
        patch.setattr(trail, "BLOCK", 128)
        found = trail_of(events)
    shown, tolerance = strokes_in(found)
    assert sum(len(stroke.t) for stroke in shown) <= 600
    assert (found.samples, len(shown)) == (5_000, 1)
    assert FINEST_PX < off(samples_of(events), shown) <= tolerance + 0.01


def test_rest_and_even_movement_need_two_points_each() -> None:
    points = [(n * 10.0, float(min(n, 50) * 4), 7.0) for n in range(100)]
    ((t, x, y),), _ = strokes_in(trail_of([path(0, points)]))
    assert [one - START_US / 1000 for one in t] == [0, 500, 990]
    assert (x, y) == ([0, 200, 200], [7, 7, 7])


def test_a_line_that_turns_at_every_sample_is_thinned_too() -> None:
    points = [(float(n), float(n % 2 * 300), 0.0) for n in range(5_000)]
    found = trail_of([path(0, points)])
    shown, tolerance = strokes_in(found, 1_000)
    assert (len(shown), len(shown[0].t)) == (1, 1_000)
    assert tolerance <= 300 + FINEST_PX
    assert strokes_in(found, 20_000)[1] <= FINEST_PX


def test_of_too_many_strokes_the_shortest_are_left_out() -> None:
    lone = [move(1_000.0 * n, n, n) for n in range(50)]
    long = [path(1_000.0 * n, [(0, 0, 0), (50, n, 0)]) for n in range(60, 70)]
    last = [move(100_000, 5, 5)]
    found = trail_of([*lone, *long, *last])
    shown, _ = strokes_in(found, 11)
    assert found.strokes == 61
    assert [stroke.x[-1] for stroke in shown] == [65, 66, 67, 68, 69, 5]


def test_a_page_change_in_mid_stroke_cuts_it() -> None:
    first = path(0, [(n * 10.0, n * 9.0, 0) for n in range(20)], "/")
    second = path(200, [(n * 10.0, 0, n * 9.0) for n in range(20)], "/cart")
    found = trail_of([first, second])
    shown, _ = strokes_in(found)
    times = [[t - START_US / 1000 for t in stroke.t] for stroke in shown]
    assert times == [[0, 190], [200, 390]]
    assert [(view.t - START_US, view.page) for view in found.views] == [
        (0, "/"),
        (200_000, "/cart"),
    ]


class TestNoOrder:
    def test_nothing_has_no_trail(self) -> None:
        found = trail_of([event(0, "page interaction", "pageview")])
        assert strokes_in(found) == ([], FINEST_PX)
        assert (found.start, found.end, found.clicks, found.views) == (None, None, [], [])

    def test_one_sample_is_a_stroke_of_one_point(self) -> None:
        found = trail_of([move(0, 3, 4)])
        assert strokes_in(found)[0] == [Stroke([START_US / 1000], [3], [4])]
        assert (found.start, found.end) == (START_US, START_US)

    def test_clicks_alone_have_a_start_and_an_end(self) -> None:
        found = trail_of([click(0, 1, 1), click(5_000, 1, 1)])
        assert (found.start, found.end) == (START_US, START_US + 5_000_000)


class TestClicks:
    def test_every_click_of_a_rage_burst_is_marked(self) -> None:
        times = [0, 900, 5_000, 5_500, 6_000, 6_900, 9_000]
        found = trail_of([click(ms, 10, 10) for ms in times])
        assert [one.rage for one in found.clicks] == [False] * 2 + [True] * 4 + [False]

    def test_what_was_clicked_is_text_or_nothing(self) -> None:
        markup = "<img src=x onerror=alert(1)>"
        found = [clicked(target) for target in (markup, 5, None, "a" * 1_000)]
        assert found == [markup, None, None, "a" * 300]

    @pytest.mark.parametrize(
        ("button", "kept"), [(0, 0), (2, 2), (-1, None), ("0", None), (9.5, None)]
    )
    def test_a_button_is_a_small_number(self, button: Any, kept: int | None) -> None:
        odd = event(0, "pointer", "click", x=1, y=1, button=button)
        assert trail_of([odd]).clicks[0].button == kept

    def test_of_too_many_the_first_are_kept(self) -> None:
        found = trail_of([click(2_000.0 * n, n, 0) for n in range(trail.MOST_MARKS + 5)])
        assert (len(found.clicks), found.all_clicks) == (trail.MOST_MARKS, trail.MOST_MARKS + 5)


def clicked(target: Any) -> str | None:
    (one,) = trail_of([event(0, "pointer", "click", x=1, y=1, target=target)]).clicks
    return one.target


class TestViews:
    def views(self, *data: dict[str, Any]) -> list[tuple[Any, ...]]:
        one: dict[str, Any] = {"t": [0], "x": [0], "y": [0]}
        events = [event(9.0 * n, "pointer", "path", **one, **more) for n, more in enumerate(data)]
        found = trail_of(events).views
        return [(view.page, view.w, view.h, view.scroll_x, view.scroll_y) for view in found]

    def test_only_what_differs_from_before_is_told(self) -> None:
        at_top = {"viewport": {"w": 800, "h": 600}, "page": {"path": "/", "scroll_y": 0}}
        scrolled = {**at_top, "page": {"path": "/", "scroll_y": 90.5}}
        turned = {**scrolled, "viewport": {"w": 600, "h": 800}}
        assert self.views(at_top, at_top, scrolled, turned, turned) == [
            ("/", 800, 600, None, 0),
            ("/", 800, 600, None, 90.5),
            ("/", 600, 800, None, 90.5),
        ]

    @pytest.mark.parametrize(
        "viewport", [None, 5, [], {"w": "8", "h": True}, {"w": 1e-300, "h": 10**400}]
    )
    def test_a_viewport_that_is_none_is_not_known(self, viewport: Any) -> None:
        page = {"path": "/", "scroll_y": 3}
        assert self.views({"viewport": viewport, "page": page}) == [("/", None, None, None, 3)]


def test_a_million_samples_come_through_whole() -> None:
    found = trail_of(turn(n) for n in range(2_000))
    line, tolerance = found.thinned(trail.MOST_POINTS)
    assert (found.samples, found.strokes) == (1_000_000, 1)
    assert len(line.t) == trail.MOST_POINTS
    assert tolerance < 75  # a tenth of a turn from one point to the next would be off by 15 px
    assert len(found.to_bytes()) < 1_300_000


def turn(n: int) -> FoldEvent:
    """500 samples; the pointer goes once around."""
    points = [(i * 2.0, 900 + 300 * sin(i / 80), 500 + 300 * cos(i / 80)) for i in range(500)]
    return path(n * 1_000, points)


def test_what_is_kept_is_read_as_it_was() -> None:
    found = trail_of([*stroll(200), click(50, 1, 2)])
    assert Trail.from_bytes(found.to_bytes()) == found
