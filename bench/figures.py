"""Figures, and the table that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: percentiles in ms of `runs` runs, beside those of the limit in that run."""

    scenario: str
    case: str
    runs: int
    p50: float
    p95: float
    limit: str
    limit_p50: float
    limit_p95: float

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def cells(self) -> list[str]:
        numbers = (self.p50, self.p95, self.limit_p50, self.limit_p95)
        return [self.scenario, self.case, f"{self.runs}", *(f"{n:.1f}" for n in numbers)]


HEAD = ["scenario", "case", "runs", "p50 ms", "p95 ms", "limit p50", "limit p95"]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Row]) -> str:
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(_cell(*pair) for pair in zip(line, widths, strict=True)) for line in lines]
    limits = sorted({f"{row.scenario}: {row.limit}" for row in rows})
    return "\n".join([*text, "", *(f"limit of {limit}" for limit in limits)])


def _cell(text: str, width: int) -> str:
    return text.rjust(width) if text[:1].isdigit() else text.ljust(width)
