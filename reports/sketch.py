"""A mergeable sketch of a weighted distribution of values ≥ 0, for quantiles."""

import math
from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]
type Bools = npt.NDArray[np.bool]
type Ints = npt.NDArray[np.int64]
type Pairs = list[tuple[int, int]]

_OCTAVE_BITS = 6
_OCTAVE = 1 << _OCTAVE_BITS
_SHIFT = 52 - _OCTAVE_BITS
_LOWEST, _HIGHEST = -40, 64
_FIRST = (1023 + _LOWEST) << _OCTAVE_BITS
BUCKETS = ((_HIGHEST - _LOWEST) << _OCTAVE_BITS) + 1
# How a sketch is kept as bytes. Packed sketches behind each other are their sum.
PAIR = np.dtype([("bucket", "<u2"), ("weight", "<i8")])


class Sketch:
    """Whole-number weights in buckets of 1/64 octave, cut by the bits of the float.

    A bucket is the exponent and the six highest bits of the mantissa, so it is found
    without a logarithm, whose last bit depends on the processor. Relative error
    ≤ 1/129 for values in [2⁻⁴⁰, 2⁶⁴); smaller ones count as zero, larger ones as the
    highest. Idea: DDSketch (Masson, Rim & Lee 2019, arXiv:1908.10693), with the
    linearly interpolated mapping. The sum of all weights must stay below 2⁶³.
    """

    __slots__ = ("weights",)

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.weights: Ints = np.zeros(BUCKETS, np.int64)
        for bucket, weight in pairs:
            self.weights[bucket] += weight

    def add(self, values: Floats, weights: Ints | None = None) -> None:
        """Add values with their weights (1 each if not given; one call: Σ < 2⁵³)."""
        self.weights += np.bincount(_buckets(values), weights, BUCKETS).astype(np.int64)

    def merge(self, other: "Sketch") -> None:
        self.weights += other.weights

    def total(self) -> int:
        return int(self.weights.sum())

    def percentile(self, percent: int) -> float | None:
        """The smallest v with Σ weight[≤ v] ≥ percent/100 · total; None if empty."""
        needed = -(-self.total() * percent // 100)
        if needed == 0:
            return None
        return _middle(int(np.searchsorted(np.cumsum(self.weights), needed)))

    def pairs(self) -> Pairs:
        """The filled buckets as (bucket, weight), ascending."""
        filled = np.flatnonzero(self.weights)
        return list(zip(filled.tolist(), self.weights[filled].tolist(), strict=True))

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        sketch = cls()
        pairs = np.frombuffer(packed, PAIR)
        np.add.at(sketch.weights, pairs["bucket"].astype(np.intp), pairs["weight"])
        return sketch

    def packed(self) -> bytes:
        """The filled buckets, ascending: equal sketches are equal bytes."""
        filled = np.flatnonzero(self.weights)
        return _packed(filled, self.weights[filled]).tobytes()


def merged(added: bytes, taken: bytes = b"") -> bytes:
    """One packed sketch of those that are packed in `added`, less those in `taken`."""
    sketch = Sketch.unpacked(added)
    if taken:
        sketch.weights -= Sketch.unpacked(taken).weights
    return sketch.packed()


def total(packed: bytes) -> int:
    return int(np.frombuffer(packed, PAIR)["weight"].sum())


def packed_by_row(rows: Ints, values: Floats, weights: Ints, count: int) -> list[bytes]:
    """A packed sketch for each of `count` rows; `rows` names each value's. Weights < 2³²."""
    # By one sort of one array, which takes half as long as np.unique.
    together = np.sort(((rows * BUCKETS + _buckets(values)) << 32) | weights)
    places = together >> 32
    first = np.flatnonzero(np.diff(places, prepend=-1))
    sums = np.add.reduceat(together & 0xFFFF_FFFF, first) if len(first) else first
    row, bucket = np.divmod(places[first], BUCKETS)
    cuts = np.searchsorted(row, np.arange(1, count))
    return [part.tobytes() for part in np.split(_packed(bucket, sums), cuts)]


def _packed(buckets: Ints, weights: Ints) -> npt.NDArray[np.void]:
    pairs = np.empty(len(buckets), PAIR)
    pairs["bucket"], pairs["weight"] = buckets, weights
    return pairs


def _buckets(values: Floats) -> Ints:
    bits = np.ascontiguousarray(values).view(np.int64)
    buckets: Ints = np.clip((bits >> _SHIFT) - (_FIRST - 1), 0, BUCKETS - 1)
    return buckets


def _middle(bucket: int) -> float:
    """The value whose relative distance to both ends of the bucket is the same."""
    if bucket == 0:
        return 0.0
    low, high = _lower_end(bucket), _lower_end(bucket + 1)
    return 2 * low * high / (low + high)


def _lower_end(bucket: int) -> float:
    octave, part = divmod(bucket - 1, _OCTAVE)
    return math.ldexp(1 + part / _OCTAVE, octave + _LOWEST)
