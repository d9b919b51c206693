"""Angles between vectors from +, −, ×, ÷ alone, so that every processor agrees.

`numpy.arctan2` and the C library's differ in the last bit from one processor to the
next, and a report is the same bytes wherever it is computed.
"""

import numpy as np

from reports.sketch import Floats

PI = 3.141592653589793
_ARCTAN_OF_EIGHTHS = np.array(
    [
        0.0,
        0.12435499454676144,
        0.24497866312686414,
        0.3587706702705722,
        0.4636476090008061,
        0.5585993153435624,
        0.6435011087932844,
        0.7188299996216245,
        0.7853981633974483,
    ]
)


def angle_between(ax: Floats, ay: Floats, bx: Floats, by: Floats) -> Floats:
    """The unsigned angle between the vectors a and b, element by element: rad, 0…π.

    atan2(|a × b|, a · b), which is |θ_b − θ_a| wrapped into (−π, π]; 0 where either
    product underflows to nothing.
    """
    cross = np.abs(ax * by - ay * bx)
    dot = ax * bx + ay * by
    across = np.abs(dot)
    long = np.maximum(cross, across)
    angle = arctan(np.minimum(cross, across) / np.where(long > 0, long, 1.0))
    angle = np.where(cross > across, PI / 2 - angle, angle)
    return np.where(dot < 0, PI - angle, angle)


def arctan(ratio: Floats) -> Floats:
    """arctan of 0…1: from the nearest eighth, then the Taylor series of the rest.

    atan(r) = atan(c) + atan((r − c)/(1 + r·c)); the rest is ≤ 1/16, and the first
    term left out, its fifteenth power, is below 10⁻¹⁹.
    """
    eighth = np.rint(ratio * 8)
    near = eighth / 8
    rest = (ratio - near) / (1 + ratio * near)
    square = rest * rest
    series = np.full_like(rest, 1 / 13)
    for odd in (11, 9, 7, 5, 3, 1):
        series = 1 / odd - square * series
    return _ARCTAN_OF_EIGHTHS[eighth.astype(np.intp)] + rest * series
