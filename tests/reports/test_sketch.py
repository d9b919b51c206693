"""The sketch and the angles: the two places where bits decide."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.angle import angle_between, arctan
from reports.sketch import BUCKETS, Sketch, merged, packed_by_row, total

values = st.floats(2.0**-40, 2.0**63)
weighted = st.lists(st.tuples(values, st.integers(1, 10**9)), min_size=1, max_size=50)


def sketch_of(pairs: list[tuple[float, int]]) -> Sketch:
    sketch = Sketch()
    sketch.add(np.array([v for v, _ in pairs]), np.array([w for _, w in pairs], np.int64))
    return sketch


def exact(pairs: list[tuple[float, int]], percent: int) -> float:
    ordered = sorted(pairs)
    sums = accumulate(weight for _, weight in ordered)
    total = sum(weight for _, weight in ordered)
    return next(v for (v, _), s in zip(ordered, sums, strict=True) if s * 100 >= total * percent)


@given(weighted, st.integers(1, 100))
def test_a_percentile_is_within_one_percent(pairs: list[tuple[float, int]], percent: int) -> None:
    assert sketch_of(pairs).percentile(percent) == pytest.approx(exact(pairs, percent), rel=0.01)


@given(values)
def test_one_value_is_found_within_a_129th(value: float) -> None:
    found = sketch_of([(value, 1)]).percentile(50)
    assert found is not None
    assert abs(found - value) <= value / 129 * (1 + 1e-12)


@given(weighted, weighted)
def test_merging_two_sketches_is_sketching_both(
    one: list[tuple[float, int]], other: list[tuple[float, int]]
) -> None:
    merged = sketch_of(one)
    merged.merge(sketch_of(other))
    assert merged.pairs() == sketch_of(other + one).pairs()


@given(weighted)
def test_pairs_carry_the_whole_sketch(pairs: list[tuple[float, int]]) -> None:
    sketch = sketch_of(pairs)
    again = Sketch(sketch.pairs())
    assert again.pairs() == sketch.pairs() == sorted(sketch.pairs())
    assert again.total() == sum(weight for _, weight in pairs)


@given(st.lists(values, min_size=1, max_size=200))
def test_one_call_and_many_fill_the_same_buckets(several: list[float]) -> None:
    one_by_one = Sketch()
    for value in several:
        one_by_one.add(np.array([value]))
    at_once = Sketch()
    at_once.add(np.array(several))
    assert at_once.pairs() == one_by_one.pairs()


def test_the_percentile_is_the_smallest_value_that_reaches_the_weight() -> None:
    sketch = sketch_of([(1.0, 50), (2.0, 45), (4.0, 5)])
    assert sketch.percentile(50) == pytest.approx(1, rel=0.01)
    assert sketch.percentile(51) == pytest.approx(2, rel=0.01)
    assert sketch.percentile(95) == pytest.approx(2, rel=0.01)
    assert sketch.percentile(96) == pytest.approx(4, rel=0.01)


def test_an_empty_sketch_has_no_percentile() -> None:
    assert Sketch().percentile(50) is None


def test_zero_stays_zero() -> None:
    assert sketch_of([(0.0, 3), (8.0, 1)]).percentile(50) == 0


@pytest.mark.parametrize(
    ("value", "bucket"), [(1e-300, 0), (2.0**64, BUCKETS - 1), (1e300, BUCKETS - 1)]
)
def test_what_lies_outside_the_range_goes_to_its_end(value: float, bucket: int) -> None:
    assert sketch_of([(value, 1)]).pairs() == [(bucket, 1)]


def test_weights_given_as_a_strided_view_are_the_same() -> None:
    both = np.array([3.0, 9.0, 27.0, 81.0])
    strided, packed = Sketch(), Sketch()
    strided.add(both[::2])
    packed.add(np.array([3.0, 27.0]))
    assert strided.pairs() == packed.pairs()


@given(st.floats(0, 1))
def test_arctan_is_right_to_the_last_bits(ratio: float) -> None:
    assert arctan(np.array([ratio]))[0] == pytest.approx(math.atan(ratio), rel=1e-15, abs=1e-300)


coordinates = st.integers(-4_000_000, 4_000_000).map(lambda quarter: quarter / 4)
vectors = st.tuples(coordinates, coordinates).filter(any)


@given(vectors, vectors)
def test_the_angle_is_the_wrapped_difference_of_directions(
    a: tuple[float, float], b: tuple[float, float]
) -> None:
    turned = math.remainder(math.atan2(b[1], b[0]) - math.atan2(a[1], a[0]), math.tau)
    found = angle_between(*(np.array([value]) for value in (*a, *b)))[0]
    assert found == pytest.approx(abs(turned), abs=2e-15)


@pytest.mark.parametrize(
    ("b", "angle"),
    [
        ((2, 0), 0),
        ((1, 1), math.pi / 4),
        ((0, 5), math.pi / 2),
        ((-1, 1), 3 * math.pi / 4),
        ((-3, 0), math.pi),
        ((-1, -1), 3 * math.pi / 4),
        ((0, -1), math.pi / 2),
    ],
)
def test_angles_from_the_x_axis(b: tuple[float, float], angle: float) -> None:
    found = angle_between(
        np.array([1.0]), np.array([0.0]), np.array([b[0] * 1.0]), np.array([b[1] * 1.0])
    )
    assert found[0] == pytest.approx(angle, rel=1e-15, abs=0)


def test_nothing_turns_where_the_products_vanish() -> None:
    tiny = np.array([1e-200])
    assert angle_between(tiny, tiny, tiny, -tiny)[0] == 0


@given(weighted, weighted)
def test_packed_sketches_behind_each_other_are_their_sum(
    some: list[tuple[float, int]], others: list[tuple[float, int]]
) -> None:
    both = merged(sketch_of(some).packed() + sketch_of(others).packed())
    assert both == merged(both) == sketch_of(some + others).packed()
    assert total(both) == sum(weight for _, weight in some + others)
    assert merged(both, sketch_of(others).packed()) == sketch_of(some).packed()
    assert merged(both, both) == b""


rows = st.lists(st.tuples(st.integers(0, 3), values, st.integers(1, 10**6)), max_size=50)


@given(rows)
def test_values_are_sketched_row_by_row(given: list[tuple[int, float, int]]) -> None:
    ordered = sorted(given)
    columns = [np.array(column) for column in zip(*ordered, strict=True)] or [np.array([])] * 3
    row, value, weight = columns
    found = packed_by_row(row.astype(np.int64), value.astype(float), weight.astype(np.int64), 4)
    assert found == [
        sketch_of([(v, w) for r, v, w in ordered if r == number]).packed() for number in range(4)
    ]
