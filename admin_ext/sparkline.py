"""Small bar charts, drawn by the server: the path of an SVG for each of their layers."""

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 24
BAR = 0.8
# What is there is seen, however little it is beside the peak.
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Bars of `values`, one a unit wide; in front of each the part of it that is in `front`."""

    values: Sequence[int]
    front: Sequence[int]

    @property
    def peak(self) -> int:
        return max(self.values, default=0)

    @property
    def box(self) -> str:
        return f"0 0 {len(self.values)} {HEIGHT}"

    @property
    def back_path(self) -> str:
        return self._path(self.values)

    @property
    def front_path(self) -> str:
        return self._path(self.front)

    def _path(self, values: Sequence[int]) -> str:
        bars = ((place, self._height(value)) for place, value in enumerate(values) if value > 0)
        return "".join(
            f"M{place + (1 - BAR) / 2:.1f} {HEIGHT}v-{height:.1f}h{BAR}v{height:.1f}z"
            for place, height in bars
        )

    def _height(self, value: int) -> float:
        return max(HEIGHT * value / self.peak, LEAST)
