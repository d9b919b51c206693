"""Sessions of unusual times, sizes and shapes, from the front door to their reports."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from reports import builder
from reports.models import PointerSecond, SessionReport
from tests.cast import Sender, at, event, path
from tracking.models import EventError


def moves(session: UUID, *points: tuple[str, float]) -> list[dict[str, Any]]:
    """Along the x axis; each with its own timestamp."""
    pointer = {"category": "pointer", "name": "move"}
    return [event(session, **pointer, data={"x": x, "y": 0}, timestamp=t) for t, x in points]


def report_of(session: UUID) -> SessionReport:
    builder.build_stale()
    return SessionReport.objects.get(pk=session)


def seconds_of(session: UUID) -> list[tuple[str, float, int]]:
    rows = PointerSecond.objects.filter(session=session).order_by("second")
    return [(f"{row.second:%Y-%m-%d %H:%M:%S}", row.distance_px, row.samples) for row in rows]


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        pytest.param(
            "2025-03-14T23:59:59.9Z",
            "2025-03-15T00:00:00.1Z",
            ["2025-03-14 23:59:59", "2025-03-15 00:00:00"],
            id="midnight",
        ),
        pytest.param(
            "2024-12-31T23:59:59.9Z",
            "2025-01-01T00:00:00.1Z",
            ["2024-12-31 23:59:59", "2025-01-01 00:00:00"],
            id="new year",
        ),
        pytest.param(
            "2025-03-30T01:59:59.9+01:00",
            "2025-03-30T03:00:00.1+02:00",
            ["2025-03-30 00:59:59", "2025-03-30 01:00:00"],
            id="clocks go forward",
        ),
        pytest.param(
            "2025-10-26T02:59:59.9+02:00",
            "2025-10-26T02:00:00.1+01:00",
            ["2025-10-26 00:59:59", "2025-10-26 01:00:00"],
            id="clocks go back",
        ),
        pytest.param(
            "2024-02-29T23:59:59.9Z",
            "2024-03-01T00:00:00.1Z",
            ["2024-02-29 23:59:59", "2024-03-01 00:00:00"],
            id="leap day",
        ),
    ],
)
def test_a_movement_goes_on_across_the_calendar(
    shop: Sender, session: UUID, first: str, second: str, seconds: list[str]
) -> None:
    shop.send(*moves(session, (first, 0), (second, 30)))
    report = report_of(session)
    assert (report.distance_px, report.moving_ms, report.mean_speed) == (30, 200, 150)
    assert (report.duration_ms, report.gaps) == (200, 0)
    before, after = seconds
    assert seconds_of(session) == [(before, 0, 1), (after, 30, 1)]


def test_a_session_may_last_for_years(shop: Sender, session: UUID) -> None:
    shop.send(*moves(session, ("2001-01-01T00:00:00Z", 0), ("2001-01-01T00:00:00.1Z", 10)))
    shop.send(*moves(session, ("2024-06-01T00:00:00Z", 0), ("2024-06-01T00:00:00.1Z", 10)))
    report = report_of(session)
    assert (report.distance_px, report.moving_ms, report.gaps, report.strokes) == (20, 200, 1, 2)
    years = datetime(2024, 6, 1) - datetime(2001, 1, 1)
    assert report.span_ms == report.duration_ms == years.total_seconds() * 1000 + 100
    assert report.active_ms == 200


def nothing_is_made_up(report: SessionReport) -> None:
    for name in ("mean_speed", "mean_speed_elapsed", "speed_p50", "speed_p95", "peak_speed"):
        assert getattr(report, name) is None, name
    for name in ("median_dt_ms", "acceleration_p95", "straightness"):
        assert getattr(report, name) is None, name
    assert (report.distance_px, report.moving_ms, report.strokes, report.flags) == (0, 0, 0, [])


def test_a_session_of_no_sample(shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    report = report_of(session)
    nothing_is_made_up(report)
    assert (report.samples, report.span_ms, report.events) == (0, None, 1)
    assert seconds_of(session) == []


def test_a_session_of_one_sample(shop: Sender, session: UUID) -> None:
    shop.send(path(session, 0, [0], [5], [5]))
    report = report_of(session)
    nothing_is_made_up(report)
    assert (report.samples, report.span_ms) == (1, 0)


def test_samples_of_one_time_are_one(shop: Sender, session: UUID) -> None:
    shop.send(path(session, 0, [0, 0, 0], [1, 2, 3], [0, 0, 0]))
    report = report_of(session)
    nothing_is_made_up(report)
    assert report.samples == 1


def test_identical_points_are_observed_and_do_not_move(shop: Sender, session: UUID) -> None:
    shop.send(path(session, 0, [0, 10, 20], [7, 7, 7], [7, 7, 7]))
    report = report_of(session)
    assert (report.samples, report.strokes, report.observed_ms, report.moving_ms) == (3, 1, 20, 0)
    assert (report.mean_speed, report.speed_p95, report.peak_speed) == (None, None, None)
    assert (report.straightness, report.mean_speed_elapsed) == (None, 0)
    assert report.median_dt_ms == pytest.approx(10, rel=0.01)


def test_a_change_of_page_in_mid_stroke_cuts_it(shop: Sender, session: UUID) -> None:
    first = path(session, 0, [0, 100, 200], [0, 10, 20], [0, 0, 0])
    second = path(session, 0.3, [0, 100, 200], [500, 510, 520], [0, 0, 0])
    first["data"]["page"], second["data"]["page"] = {"path": "/a"}, {"path": "/b"}
    shop.send(first, second)
    report = report_of(session)
    assert (report.distance_px, report.strokes, report.gaps) == (40, 2, 0)


def test_a_session_of_a_million_samples(shop: Sender, session: UUID) -> None:
    """To and fro, a pixel each millisecond."""
    t: list[float] = [*range(5_000)]
    x: list[float] = [ms % 2 for ms in range(5_000)]
    y: list[float] = [0] * 5_000
    paths = [path(session, 5 * n - 1_000, t, x, y) for n in range(200)]
    for start in range(0, 200, 50):
        shop.send(*paths[start : start + 50])
        builder.build_stale()
    report = report_of(session)
    assert (report.samples, report.distance_px, report.moving_ms) == (1_000_000, 999_999, 999_999)
    assert (report.strokes, report.gaps) == (1, 0)
    assert report.straightness == pytest.approx(1 / 999_999)
    assert len(seconds_of(session)) in {1_000, 1_001}
    assert report.build == report.anew_build + 3


@pytest.mark.parametrize(
    ("data", "field", "code"),
    [
        ({"t": [0, 1], "x": [0, 1e300], "y": [0, 0]}, "data.x[1]", "not_a_coordinate"),
        ({"t": [0, 1], "x": [0, 1], "y": [-1_000_001, 0]}, "data.y[0]", "not_a_coordinate"),
        ({"t": [0, 1], "x": ["NaN", 1], "y": [0, 0]}, "data.x[0]", "not_a_coordinate"),
        ({"t": [0, 1], "x": [0, None], "y": [0, 0]}, "data.x[1]", "not_a_coordinate"),
        ({"t": [1, 0], "x": [0, 1], "y": [0, 0]}, "data.t[1]", "not_in_order"),
        ({"t": [-1, 0], "x": [0, 1], "y": [0, 0]}, "data.t[0]", "not_in_order"),
        ({"t": [0, 1], "x": [0], "y": [0, 0]}, "data.x", "lengths_differ"),
        ({"t": [], "x": [], "y": []}, "data.t", "bad_length"),
        ({"t": [0] * 5_001, "x": [0] * 5_001, "y": [0] * 5_001}, "data.t", "bad_length"),
        ({"t": [0, 9e9], "x": [0, 1], "y": [0, 0]}, "data.t[1]", "in_future"),
        ({"x": 1e7, "y": 0}, "data.x", "not_a_coordinate"),
    ],
)
def test_what_cannot_be_measured_is_named_and_left_out(
    shop: Sender, session: UUID, data: dict[str, Any], field: str, code: str
) -> None:
    right = path(session, 0, [0, 100], [0, 10], [0, 0])
    name = "path" if "t" in data else "move"
    wrong = event(session, category="pointer", name=name, data=data, timestamp=at(1))
    receipt = shop.send(wrong, right)
    assert (receipt.stored, receipt.rejected) == (1, 1)
    first = EventError.objects.filter(receipt=receipt).earliest("pk")
    assert (first.field, first.code) == (field, code)
    report = report_of(session)
    assert (report.samples, report.distance_px, report.errors) == (2, 10, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_number_in_json_is_refused(shop: Sender, session: UUID, number: str) -> None:
    body = (
        b'{"session_id": "%s", "category": "pointer", "name": "move", "timestamp": "%s", "data": '
    )
    body = body % (str(session).encode(), at(0).encode()) + b'{"x": %s, "y": 0}}' % number.encode()
    answer = shop.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in {"malformed_json", "number_out_of_range"}
