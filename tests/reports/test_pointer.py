"""The pointer metrics on paths small enough to be worked out by hand."""

import math
from datetime import UTC, datetime

import pytest

from reports.fold import FoldEvent, Metrics, Parameters, PointerSecond, finish, fold
from tests.reports.reference import click, event, move, path


def metrics(*events: FoldEvent, parameters: Parameters | None = None) -> Metrics:
    return finish(fold(None, events, parameters or Parameters()).state)


def seconds(*events: FoldEvent) -> list[PointerSecond]:
    return fold(None, events, Parameters()).seconds


def at(second: int) -> datetime:
    """Seconds since 23:59:59 of the last day of 2024; START is 250 ms after it."""
    minute, second = divmod(59 + second, 60)
    if minute == 0:
        return datetime(2024, 12, 31, 23, 59, second, tzinfo=UTC)
    return datetime(2025, 1, 1, 0, minute - 1, second, tzinfo=UTC)


def row(step_ms: float, *xs: float) -> list[tuple[float, float, float]]:
    """Points along the x axis, one every `step_ms`."""
    return [(i * step_ms, x, 0) for i, x in enumerate(xs)]


def test_distance_is_euclidean() -> None:
    found = metrics(path(0, [(0, 0, 0), (100, 3, 4), (200, 3, 16)]))
    assert found.distance_px == 5 + 12
    assert found.observed_ms == found.moving_ms == found.span_ms == 200
    assert found.mean_speed == found.mean_speed_elapsed == 85
    assert found.peak_speed == 120


def test_resting_is_observed_but_not_moving() -> None:
    found = metrics(path(0, row(100, 0, 10, 10, 10, 40)))
    assert found.observed_ms == 400
    assert found.moving_ms == 200
    assert found.mean_speed == 200
    assert found.mean_speed_elapsed == 100


def test_moves_and_paths_make_one_list_of_samples() -> None:
    found = metrics(move(100, 0, 0), path(110, row(10, 3, 6)), move(130, 6, 4))
    assert found.samples == 4
    assert found.distance_px == 10
    assert found.span_ms == 30


def test_a_gap_cuts_the_path() -> None:
    found = metrics(path(0, [(0, 0, 0), (500, 10, 0), (1000.001, 30, 0), (1100, 31, 0)]))
    assert found.gaps == 1
    assert found.strokes == 2
    assert found.distance_px == 11
    assert found.observed_ms == pytest.approx(599.999)
    assert found.span_ms == 1100


def test_a_gap_on_both_sides_leaves_a_sample_without_a_stroke() -> None:
    found = metrics(move(0, 0, 0), move(1000, 5, 0), move(2000, 9, 0))
    assert (found.samples, found.gaps, found.strokes) == (3, 2, 0)
    assert found.distance_px == 0
    assert found.mean_speed is None
    assert found.mean_speed_elapsed == 0
    assert found.straightness is None


def test_the_gap_is_a_parameter() -> None:
    events = [move(0, 0, 0), move(1000, 5, 0)]
    assert metrics(*events, parameters=Parameters(gap_ms=1000)).distance_px == 5


def test_a_page_change_cuts_without_a_gap() -> None:
    found = metrics(path(0, row(10, 0, 5), "/a"), path(20, row(10, 9, 11), "/b"))
    assert (found.strokes, found.gaps) == (2, 0)
    assert found.distance_px == 7


def test_a_page_change_after_a_gap_is_one_gap() -> None:
    found = metrics(path(0, row(10, 0, 5), "/a"), path(900, row(10, 9, 11), "/b"))
    assert (found.strokes, found.gaps) == (2, 1)


@pytest.mark.parametrize(
    ("pages", "strokes"),
    [
        (["/a", None, "/a"], 1),
        (["/a", None, "/b"], 2),
        ([None, "/a", None], 1),
        (["/a", "/b", "/a"], 3),
        ([None, None, "/b"], 1),
        (["/a", "/a", ""], 2),
    ],
)
def test_a_sample_without_a_page_keeps_the_one_before(
    pages: list[str | None], strokes: int
) -> None:
    events = [path(i * 20, row(10, 2 * i, 2 * i + 1), page) for i, page in enumerate(pages)]
    assert metrics(*events).strokes == strokes


def test_of_samples_at_one_time_the_last_is_kept() -> None:
    found = metrics(path(0, [(0, 0, 0), (10, 99, 0), (10, 4, 0), (20, 4, 3)]))
    assert found.samples == 3
    assert found.distance_px == 7


def test_of_samples_at_one_time_in_two_events_the_later_event_is_kept() -> None:
    found = metrics(path(0, row(10, 0, 99)), move(10, 4, 0))
    assert found.samples == 2
    assert found.distance_px == 4


def test_of_events_at_one_time_the_greater_id_is_later() -> None:
    assert metrics(move(0, 0, 0, 1), move(10, 5, 0, 2), move(10, 9, 0, 3)).distance_px == 9
    assert metrics(move(0, 0, 0, 1), move(10, 5, 0, 3), move(10, 9, 0, 2)).distance_px == 5


def test_overlapping_events_are_woven_together() -> None:
    found = metrics(path(0, row(20, 0, 2, 4)), path(10, row(20, 1, 3)))
    assert found.samples == 5
    assert found.distance_px == 4
    assert found.median_dt_ms == pytest.approx(10, rel=0.01)


def test_times_are_whole_microseconds() -> None:
    found = metrics(path(0, [(0, 0, 0), (16.6666, 1, 0), (33.3333, 2, 0)]))
    assert found.span_ms == 33.333
    assert found.observed_ms == 33.333


def test_percentiles_weigh_time_not_intervals() -> None:
    slow, fast = [(0, 0, 0), (400, 40, 0)], [(410, 50, 0), (420, 60, 0), (430, 70, 0)]
    found = metrics(path(0, slow + fast))
    assert found.speed_p50 == pytest.approx(100, rel=0.01)
    assert found.speed_p95 == pytest.approx(1000, rel=0.01)
    assert found.median_dt_ms == pytest.approx(10, rel=0.01)


def test_speeds_of_resting_do_not_count() -> None:
    found = metrics(path(0, row(100, 0, 0, 0, 0, 50)))
    assert found.speed_p50 == pytest.approx(500, rel=0.01)


def test_the_median_of_two_intervals_is_the_shorter() -> None:
    assert metrics(path(0, [(0, 0, 0), (8, 1, 0), (48, 2, 0)])).median_dt_ms == pytest.approx(
        8, rel=0.01
    )


def test_acceleration_is_the_change_of_speed_over_the_time_between_middles() -> None:
    found = metrics(path(0, [(0, 0, 0), (10, 1, 0), (30, 5, 0)]))
    assert found.acceleration_p95 == pytest.approx((200 - 100) / 0.015, rel=0.01)


def test_acceleration_does_not_cross_a_cut() -> None:
    found = metrics(path(0, row(10, 0, 1)), path(900, row(10, 0, 50)))
    assert found.acceleration_p95 is None


def test_steady_movement_has_no_acceleration() -> None:
    assert metrics(path(0, row(10, 0, 2, 4, 6))).acceleration_p95 == 0


def test_coarse_samples_carry_no_acceleration() -> None:
    found = metrics(path(0, row(60, 0, 1, 5, 9)))
    assert found.acceleration_p95 is None
    assert found.flags == ("coarse",)
    assert metrics(path(0, row(50, 0, 1, 5, 9))).flags == ()


@pytest.mark.parametrize("slope", [0, 0.1, 0.3, 0.7, 1.1, 3.3])
def test_a_straight_path_has_straightness_one_and_no_more(slope: float) -> None:
    found = metrics(path(0, [(i * 10, i * 0.1, i * slope) for i in range(50)])).straightness
    assert found == pytest.approx(1)
    assert found is not None
    assert found <= 1


def test_straightness_adds_up_the_strokes() -> None:
    out_and_back = path(0, row(10, 0, 30, 0))
    corner = path(900, [(0, 0, 0), (10, 30, 0), (20, 30, 40)])
    assert metrics(out_and_back, corner).straightness == 50 / 130


def test_turning_adds_up_absolute_angles() -> None:
    square = [(0, 0, 0), (10, 9, 0), (20, 9, 9), (30, 0, 9), (40, 0, 0)]
    assert metrics(path(0, square)).turning_rad == pytest.approx(3 * math.pi / 2)


def test_turning_back_is_half_a_turn() -> None:
    assert metrics(path(0, row(10, 0, 9, 0))).turning_rad == pytest.approx(math.pi)


def test_turning_sees_past_a_rest() -> None:
    points = [(0, 0, 0), (10, 9, 0), (20, 9, 0), (30, 9, 9)]
    assert metrics(path(0, points)).turning_rad == pytest.approx(math.pi / 2)


def test_turning_does_not_cross_a_cut() -> None:
    assert metrics(path(0, row(10, 0, 9)), path(900, row(10, 9, 0))).turning_rad == 0


@pytest.mark.parametrize(
    ("xs", "flips"),
    [
        ((0, 10, 0), 1),
        ((0, 10, 0.1), 0),
        ((0, 9.9, 0, 20), 0),
        ((0, 20, 0, 20, 0), 3),
        ((0, 4, 8, 12, 7, 2, -3), 1),
        ((0, 12, 12, 12, 0), 1),
        ((0, 12, 6, 6, 1), 1),
        ((0, 20, 15, 30, 10), 1),
        ((0, 20, 15, 16, 8, 7), 0),
        ((0, 20, 15, 16, 5), 1),
        ((0, 0, 0), 0),
    ],
)
def test_a_flip_needs_ten_pixels_in_the_new_direction(xs: tuple[float, ...], flips: int) -> None:
    along_x = path(0, row(10, *xs))
    along_y = path(0, [(t, y, x) for t, x, y in row(10, *xs)])
    assert (metrics(along_x).flips_x, metrics(along_x).flips_y) == (flips, 0)
    assert (metrics(along_y).flips_x, metrics(along_y).flips_y) == (0, flips)


def test_flips_do_not_cross_a_cut() -> None:
    assert metrics(path(0, row(10, 0, 20)), path(900, row(10, 20, 0))).flips_x == 0


@pytest.mark.parametrize(
    ("clicks", "bursts"),
    [
        ([(0, 0), (900, 30), (1900, 60)], 1),
        ([(0, 0), (900, 30)], 0),
        ([(0, 0), (1000.001, 0), (2000, 0)], 0),
        ([(0, 0), (500, 30.5), (600, 31)], 0),
        ([(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)], 1),
        ([(0, 0), (1, 0), (2, 0), (5000, 0), (5001, 0), (5002, 0)], 2),
    ],
)
def test_a_rage_burst_is_a_run_of_near_clicks(
    clicks: list[tuple[float, float]], bursts: int
) -> None:
    found = metrics(*(click(ms, x, 0) for ms, x in clicks))
    assert found.clicks == len(clicks)
    assert found.rage_bursts == bursts


def test_rage_measures_the_euclidean_distance() -> None:
    diagonal = [click(i * 100, i * 22, i * 22) for i in range(3)]
    assert metrics(*diagonal).rage_bursts == 0
    assert metrics(*diagonal, parameters=Parameters(rage_px=32)).rage_bursts == 1


def test_other_events_do_not_end_a_rage_burst() -> None:
    found = metrics(click(0, 0, 0), click(10, 0, 0), move(15, 500, 0), click(20, 0, 0))
    assert found.rage_bursts == 1


def test_clicks_are_no_samples() -> None:
    assert metrics(click(0, 0, 0), click(10, 50, 0)).samples == 0


def test_a_teleport_is_flagged() -> None:
    assert metrics(path(0, row(10, 0, 501))).flags == ("teleports",)
    assert metrics(path(0, row(10, 0, 500))).flags == ()


def test_a_teleport_across_a_cut_is_none() -> None:
    assert metrics(move(0, 0, 0), move(501, 900_000, 0)).flags == ()


def test_an_interval_belongs_to_the_second_in_which_it_ends() -> None:
    crossing = path(0, [(300, 0, 0), (700, 0, 0), (800, 8, 6), (900, 8, 6)])
    assert seconds(crossing) == [
        PointerSecond(at(0), 0.0, 0.0, None, 2),
        PointerSecond(at(1), 10.0, 100.0, 100.0, 2),
    ]


def test_seconds_without_samples_have_no_row() -> None:
    found = seconds(move(0, 0, 0), move(5000, 1, 1))
    assert [second.second for second in found] == [at(0), at(5)]
    assert [second.distance_px for second in found] == [0, 0]


def test_a_second_holds_its_peak() -> None:
    (only,) = seconds(path(0, row(10, 0, 1, 4, 5)))
    assert only == PointerSecond(at(0), 5.0, 30.0, 300.0, 4)


@pytest.mark.parametrize("events", [[], [event(0, "page interaction", "pageview")]])
def test_without_samples_nothing_is_made_up(events: list[FoldEvent]) -> None:
    found = metrics(*events)
    assert found.samples == found.strokes == found.gaps == found.distance_px == 0
    undefined = "span_ms mean_speed mean_speed_elapsed speed_p50 speed_p95 peak_speed"
    for name in [*undefined.split(), "median_dt_ms", "acceleration_p95", "straightness"]:
        assert getattr(found, name) is None
    assert found.flags == ()
    assert seconds(*events) == []


def test_one_sample_has_a_span_and_no_speed() -> None:
    found = metrics(move(0, 3, 4))
    assert (found.samples, found.span_ms, found.mean_speed_elapsed) == (1, 0, None)
    assert found.median_dt_ms is None
    assert seconds(move(0, 3, 4)) == [PointerSecond(at(0), 0.0, 0.0, None, 1)]


def test_identical_points_do_not_move() -> None:
    found = metrics(path(0, row(10, 7, 7, 7)))
    assert (found.strokes, found.observed_ms, found.moving_ms) == (1, 20, 0)
    assert found.peak_speed is found.speed_p50 is found.straightness is None
    assert found.turning_rad == found.flips_x == 0


@pytest.mark.parametrize(
    "data",
    [
        "{}",
        "[]",
        "null",
        '"path"',
        '{"x": "1", "y": 2}',
        '{"t": [0, 1], "x": [0], "y": [0, 1]}',
        '{"t": [0], "x": [null], "y": [0]}',
        '{"t": 0, "x": 0}',
        '{"t": [0], "x": [1e999], "y": [0]}',
        "{",
        "",
    ],
)
@pytest.mark.parametrize("name", ["move", "path", "click", "hover"])
def test_data_of_another_shape_counts_as_an_event_only(name: str, data: str) -> None:
    found = metrics(event(0, "pointer", name)._replace(data=data), move(10, 0, 0))
    assert (found.events, found.samples, found.clicks) == (2, 1, 0)


@pytest.mark.parametrize("point", [(-1, 0, 0), (1e300, 0, 0), (0, 1e7, 0), (0, 0, -1e300)])
def test_samples_beyond_what_is_let_in_are_left_out(point: tuple[float, float, float]) -> None:
    found = metrics(path(0, [(0, 0, 0), (10, 3, 4)]), path(20, [point]))
    assert (found.events, found.samples, found.distance_px) == (2, 2, 5)


def test_unsorted_times_are_sorted() -> None:
    assert metrics(path(0, [(20, 6, 8), (0, 0, 0), (10, 3, 4)])).distance_px == 10
