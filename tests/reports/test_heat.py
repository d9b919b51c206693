"""Which bins a fold finds: as counted here, event by event and sample by sample."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import heat
from reports.fold import FoldEvent, Parameters, State, fold, fold_in_order
from reports.heat import HeatKey
from reports.sketch import PAIR
from tests.reports.reference import click, event, move, path

PARAMETERS = Parameters()
CASES = settings(deadline=None, max_examples=150)
type Bins = dict[tuple[int, int], int]
type Found = dict[HeatKey, Bins]


def bins(packed: bytes) -> Bins:
    """By (column, row)."""
    pairs = np.frombuffer(packed, PAIR)
    assert (np.diff(pairs["bucket"].astype(int)) > 0).all()
    return {(bin % 64, bin // 64): count for bin, count in pairs.tolist()}


def found(events: Iterable[FoldEvent], parameters: Parameters = PARAMETERS) -> Found:
    return {key: bins(it) for key, it in fold(None, [*events], parameters).heat.items()}


def counted(events: Iterable[FoldEvent], most_samples: int = 10**9) -> Found:
    """Of events in their order."""
    counts: dict[HeatKey, Counter[tuple[int, int]]] = {}
    pages: dict[int, Any] = {}
    known, samples = set[str](), 0
    for one in events:
        data, mine = json.loads(one.data), one.application_id
        if one.category != "pointer" or samples >= most_samples:
            continue
        xs, ys = data["x"], data["y"]
        if one.name == "click":
            page, points = data.get("page") or pages.get(mine), [(xs, ys)]
        elif one.name == "move":
            samples += 1
            continue
        else:
            samples += len(xs)
            page, points = data.get("page"), list(zip(xs, ys, strict=True))
            pages[mine] = page if page and page.get("path") is not None else pages.get(mine)
        if not page or page.get("path") is None:
            continue
        cut = page["path"][:500]
        if cut not in known and len(known) >= 200:
            continue
        known.add(cut)
        try:
            width, left, top = (float(page.get(k, 0) + 0) for k in ("w", "scroll_x", "scroll_y"))
        except TypeError:
            continue
        if not 1 <= width <= 1e6:
            continue
        hour = one.timestamp.replace(minute=0, second=0, microsecond=0)
        kind = "click" if one.name == "click" else "move"
        for x, y in points:
            column, row = (x + left) * 64 / width, (y + top) * 64 / width
            if 0 <= column < 64 and 0 <= row < 1024:
                key = HeatKey(mine, cut, hour, kind)
                counts.setdefault(key, Counter())[int(column), int(row)] += 1
    return {key: dict(counts[key]) for key in sorted(counts)}


sizes = st.sampled_from([1400, 360, 64.5, 1, 0, -1, 2e6, None, "wide"])
scrolls = st.sampled_from([0, 0, -0.0, 120.25, 22_400, -30])
told_pages = st.fixed_dictionaries(
    {"path": st.sampled_from(["/", "/cart", "/" + "ü" * 600, "/" + "ü" * 700])},
    optional={"w": sizes, "h": st.just(3000), "scroll_x": scrolls, "scroll_y": scrolls},
)
any_page: st.SearchStrategy[Any] = st.none() | st.just({}) | told_pages
places = st.integers(-20, 1500) | st.sampled_from([-0.0, 21.875, 21.87, 1e6])


@st.composite
def sessions(draw: st.DrawFn) -> list[FoldEvent]:
    ms, events = 0, []
    for number in range(draw(st.integers(0, 10))):
        ms += draw(st.sampled_from([1, 400, 30_000, 3_600_000]))
        kind, page = draw(st.sampled_from(["path", "path", "click", "move"])), draw(any_page)
        if kind == "path":
            points = draw(st.lists(st.tuples(st.just(0), places, places), min_size=1, max_size=6))
            one = path(ms, [(n / 10, x, y) for n, (_, x, y) in enumerate(points)], None, number)
        else:
            one = {"click": click, "move": move}[kind](ms, draw(places), draw(places), number)
        if page is not None and kind != "move":
            one = one._replace(data=json.dumps({**json.loads(one.data), "page": page}))
        events.append(one._replace(application_id=draw(st.sampled_from([1, 1, 2]))))
    return events


def is_plain(one: FoldEvent) -> bool:
    """A page of odd types: a path goes by its path alone, a click counts nowhere."""
    page = json.loads(one.data).get("page") or {}
    return page.get("w", 1) not in (None, "wide")


@CASES
@given(sessions(), st.sampled_from([0, 3, 9, 10**9]))
def test_the_bins_are_those_of_the_definition(events: list[FoldEvent], most: int) -> None:
    events = [one for one in events if one.name != "click" or is_plain(one)]
    found_here = found(events, replace(PARAMETERS, max_samples=most))
    assert found_here == counted(events, most)
    assert list(found_here) == sorted(found_here)


@CASES
@given(sessions(), st.integers(0, 10), st.integers(1, 5))
def test_going_on_finds_the_rest(events: list[FoldEvent], cut: int, block: int) -> None:
    parameters = replace(PARAMETERS, max_samples=12)
    whole = fold_in_order(None, events, parameters, block=block)
    first = fold(None, events[:cut], parameters)
    state = State.from_json(first.state.to_json())
    rest = fold(state, events[cut:], parameters)
    assert rest.state.to_json() == whole.state.to_json()
    both = {
        key: heat.merged(first.heat.get(key, b"") + rest.heat.get(key, b""))
        for key in first.heat.keys() | rest.heat.keys()
    }
    assert both == whole.heat


def test_a_page_of_odd_sizes_does_not_spoil_its_path() -> None:
    odd = {"path": "/odd", "w": "wide", "scroll_y": None}
    one = path(0, [(0, 1, 1), (10, 4, 5)], "/")
    odd_one = event(2_000, "pointer", "path", t=[0, 10], x=[1, 4], y=[1, 5], page=odd)
    folded = fold(None, [one, odd_one, click(3_000, 1, 1)], PARAMETERS)
    assert folded.state.pointer.distance_px == 10
    assert [key.page for key in folded.heat] == ["/"]


def test_a_click_counts_on_the_page_of_the_last_path() -> None:
    events = [click(0, 1, 1), path(10, [(0, 700, 10)], "/a"), click(20, 700, 100)]
    keys = {(key.page, key.kind): it for key, it in found(events).items()}
    assert keys == {("/a", "move"): {(32, 0): 1}, ("/a", "click"): {(32, 4): 1}}


def test_equal_times_count_each() -> None:
    """Of which the report keeps the last one only."""
    events = [path(0, [(0, 1, 1), (0, 2, 2), (0, 100, 1)], "/")]
    (only,) = found(events).values()
    assert only == {(0, 0): 2, (4, 0): 1}


def test_the_hour_is_that_of_the_event() -> None:
    hour = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
    (key,) = found([path(740, [(0, 1, 1), (20, 1, 1)], "/")])
    (later,) = found([path(750, [(0, 1, 1)], "/")])
    assert (key.hour, later.hour) == (hour - timedelta(hours=1), hour)


def test_after_so_many_pages_the_others_are_left_out() -> None:
    events = [path(n * 1_000, [(0, 1, 1)], f"/{n % 250}") for n in range(500)]
    folded = fold(None, events, PARAMETERS)
    assert {key.page for key in folded.heat} == {f"/{n}" for n in range(heat.MOST_PAGES)}
    assert {key: bins(it) for key, it in folded.heat.items()} == counted(events)
    assert len(folded.state.heat.pages) == heat.MOST_PAGES


def test_what_is_held_is_summed_in_between(monkeypatch: Any) -> None:
    monkeypatch.setattr(heat, "RUNS_HELD", 5)
    monkeypatch.setattr(heat, "CLICKS_HELD", 3)
    events = [
        one
        for n in range(60)
        for one in (
            path(n * 1_000, [(m, 37 * m * n % 1400, m) for m in range(9)], f"/{n % 2}", 2 * n),
            click(n * 1_000 + 500, 5 * n, n, 2 * n + 1),
        )
    ]
    folded = fold_in_order(None, events, PARAMETERS, block=16)
    assert {key: bins(it) for key, it in folded.heat.items()} == counted(events)


def test_what_is_taken_away_leaves_nothing() -> None:
    (one,) = fold(None, [path(0, [(0, 1, 1), (10, 90, 90)], "/")], PARAMETERS).heat.values()
    (other,) = fold(None, [path(0, [(0, 1, 1), (10, 5, 900)], "/")], PARAMETERS).heat.values()
    assert heat.merged(heat.merged(one + other), one) == other
    assert heat.merged(one, one) == b""
    assert heat.merged(b"") == b""
