"""A mergeable sketch of a weighted distribution of values ≥ 0, for quantiles."""

import math
from collections.abc import Iterable

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
        bits = np.ascontiguousarray(values).view(np.int64)
        buckets = np.clip((bits >> _SHIFT) - (_FIRST - 1), 0, BUCKETS - 1)
        self.weights += np.bincount(buckets, weights, BUCKETS).astype(np.int64)

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


def _middle(bucket: int) -> float:
    """The value whose relative distance to both ends of the bucket is the same."""
    if bucket == 0:
        return 0.0
    low, high = _lower_end(bucket), _lower_end(bucket + 1)
    return 2 * low * high / (low + high)


def _lower_end(bucket: int) -> float:
    octave, part = divmod(bucket - 1, _OCTAVE)
    return math.ldexp(1 + part / _OCTAVE, octave + _LOWEST)
