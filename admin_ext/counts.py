"""How many rows a list has: exactly where PostgreSQL takes it for cheap, else what it expects."""

import json
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet

# In the planner's units. This much takes some milliseconds.
CHEAP_COST = 2_000


@dataclass(frozen=True, slots=True)
class Count:
    number: int
    exact: bool

    def __str__(self) -> str:
        return f"{self.number:,}" if self.exact else f"about {self.number:,}"


def count(rows: QuerySet[Any]) -> Count:
    ids = rows.order_by().values("pk")
    try:
        plan = json.loads(ids.explain(format="json"))[0]["Plan"]
    except EmptyResultSet:
        return Count(0, exact=True)
    if plan["Total Cost"] <= CHEAP_COST:
        return Count(ids.count(), exact=True)
    return Count(rounded(plan["Plan Rows"]), exact=False)


def rounded(number: int) -> int:
    """To two digits: an estimate knows no more."""
    if not number:
        return 0
    return round(number, 1 - floor(log10(number)))
