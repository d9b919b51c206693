"""What the heatmaps say of a period: no event is read for it.

The bounds of a period are made whole hours (UTC): its start is rounded down, its end up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from reports.heat import COLUMNS, MOST_ROWS, MOST_TEXT
from reports.periods import HOUR, Period, ceiled, floored, parts
from reports.sketch import PAIR, Ints

MOST_PAGES = 100

# One range of an index for each part.
OF_PERIOD = """
  FROM unnest(%(steps)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
       AS part(step, "from", "to")
  JOIN reports_heat AS heat ON heat.step = part.step
   AND heat.start >= part."from" AND heat.start < part."to"
 WHERE heat.application_id = %(application)s AND heat.kind = %(kind)s
"""
BINS = "SELECT heat.bins" + OF_PERIOD + " AND heat.page = %(page)s"
PAGES = (
    "SELECT heat.page, sum(heat.total) AS total"
    + OF_PERIOD
    + " GROUP BY heat.page ORDER BY total DESC, heat.page LIMIT %(most)s"
)
# Each application is a range of the index heat_pages of its own.
BUSIEST = (
    "SELECT heat.application_id, heat.page, sum(heat.total) AS total"
    + OF_PERIOD.replace("= %(application)s", "= ANY(%(applications)s)")
    + " GROUP BY 1, 2 ORDER BY total DESC, 1, 2 LIMIT %(most)s"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Moves or clicks (kind) of an application in whole hours."""

    application_id: int
    kind: str
    period: Period

    @property
    def columns(self) -> dict[str, Any]:
        return {"application": self.application_id, "kind": self.kind, **_parts(self.period)}


@dataclass(frozen=True, slots=True)
class Busy:
    """A page, whose it is, and how many samples of pointers, or clicks, there were on it."""

    application_id: int
    page: str
    total: int


def _parts(period: Period) -> dict[str, Any]:
    steps, starts, ends = zip(*parts(period, ("day", "hour")), strict=True)
    return {"steps": [*steps], "starts": [*starts], "ends": [*ends]}


def whole_hours(start: datetime, end: datetime) -> Period:
    return Period(floored(start, HOUR), ceiled(end, HOUR))


def counts(asked: Asked, page: str) -> Ints:
    """How many samples or clicks there were in each bin, by row and column."""
    sums = np.zeros(MOST_ROWS * COLUMNS, np.int64)
    with connection.cursor() as cursor:
        cursor.execute(BINS, {**asked.columns, "page": page[:MOST_TEXT]})
        for (bins,) in cursor:
            pairs = np.frombuffer(bins, PAIR)
            sums[pairs["bucket"]] += pairs["weight"]
    return sums.reshape(MOST_ROWS, COLUMNS)


def pages(asked: Asked) -> list[tuple[str, int]]:
    """The pages with the most of them, and how many."""
    with connection.cursor() as cursor:
        cursor.execute(PAGES, {**asked.columns, "most": MOST_PAGES})
        return [(page, int(total)) for page, total in cursor]


def busiest(application_ids: list[int], kind: str, period: Period, most: int) -> list[Busy]:
    """Of all pages of these applications, in whole hours, those with the most."""
    columns = _parts(period)
    columns |= {"applications": application_ids, "kind": kind, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(BUSIEST, columns)
        return [Busy(application, page, int(total)) for application, page, total in cursor]
