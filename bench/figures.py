"""Figures, each beside the limit it is compared with, and the table that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of the value itself, or of its ratio to the limit."""

    bound: float
    least: bool
    ratio: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        bound = f"{self.bound:,.0f}" if self.bound >= 10 else f"{self.bound:g}"
        return f"{'≥' if self.least else '≤'} {bound}{' ×' if self.ratio else ''}"


def at_least(bound: float) -> Goal:
    return Goal(bound, least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, least=False)


def ratio_at_least(bound: float) -> Goal:
    return Goal(bound, least=True, ratio=True)


def ratio_at_most(bound: float) -> Goal:
    return Goal(bound, least=False, ratio=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `limit` says in words what the limit is; its value has the same unit."""

    scenario: str
    case: str
    value: float
    unit: str
    limit: str = ""
    limit_value: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.limit_value if self.limit_value else None

    @property
    def met(self) -> bool | None:
        """None where there is no goal."""
        if self.goal is None:
            return None
        compared = self.ratio if self.goal.ratio else self.value
        return compared is not None and self.goal.met(compared)

    def as_dict(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "case": self.case,
            "value": rounded(self.value),
            "unit": self.unit,
            "limit": self.limit,
            "limit_value": rounded(self.limit_value),
            "ratio": rounded(self.ratio),
            "goal": str(self.goal or ""),
            "met": self.met,
        }


def rounded(value: float | None) -> float | None:
    """To four digits, and never to less than a whole number."""
    if value is None or abs(value) >= 1_000:
        return value and round(value)
    return float(f"{value:.4g}")


def middle(runs: Sequence[float]) -> float:
    """Their median. The first one warms up, unless it is the only one."""
    return median(runs[1:] or runs)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


HEAD = ("scenario", "case", "value", "unit", "limit", "ratio", "goal", "met")
RIGHT = {"value", "limit", "ratio"}
MET = {None: "", True: "yes", False: "NO"}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """In Markdown, of rows `as_dict`; below it what the limits are."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        (width - 1) * "-" + (":" if name in RIGHT else "-")
        for name, width in zip(HEAD, widths, strict=True)
    ]
    limits = dict.fromkeys((row["scenario"], row["limit"]) for row in rows if row["limit"])
    return "\n".join(
        [
            *(joined(line, widths) for line in (HEAD, rule, *lines[1:])),
            "",
            *(f"* The limit of `{scenario}` is {limit}." for scenario, limit in limits),
        ]
    )


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["scenario"],
        row["case"],
        number(row["value"]),
        row["unit"],
        number(row["limit_value"]),
        "" if row["ratio"] is None else f"{row['ratio']:.2f}",
        row["goal"],
        MET[row["met"]],
    )


def number(value: float | None) -> str:
    """Three digits that count, or all before the point."""
    if value is None:
        return ""
    if not value or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def joined(line: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for name, cell, width in zip(HEAD, line, widths, strict=True)
    ]
    return f"| {' | '.join(padded)} |"
