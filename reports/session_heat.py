"""Where on its pages a session's pointer was, and clicked: counted sample by sample by the report.

(A trail is thinned: how dense its points are says nothing of how long the pointer was where.)
"""

from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import Sum
from django.db.models.functions import Length

from reports.heat import CLICK, COLUMNS, MOST_ROWS, MOVE
from reports.models import SessionHeat
from reports.sketch import PAIR, Ints

MOST_PAGES = 50


class Page(NamedTuple):
    """A page of an application, whose name is `of`."""

    application: int
    of: str
    page: str


def pages(session_id: UUID) -> list[Page]:
    """Those of the session, the one whose most bins are filled first."""
    rows = SessionHeat.objects.filter(report=session_id).values_list(
        "application_id", "application__name", "page"
    )
    by_size = rows.annotate(size=Sum(Length("bins"))).order_by("-size", "page", "application_id")
    return [Page(*row[:3]) for row in by_size[:MOST_PAGES]]


def counts(session_id: UUID, page: Page) -> dict[str, Ints]:
    """Samples (move) and clicks (click) in each bin of the page, by row and column."""
    sums = {kind: np.zeros(MOST_ROWS * COLUMNS, np.int64) for kind in (MOVE, CLICK)}
    hours = SessionHeat.objects.filter(
        report=session_id, application=page.application, page=page.page
    )
    for kind, bins in hours.values_list("kind", "bins"):
        pairs = np.frombuffer(bins, PAIR)
        sums[kind][pairs["bucket"]] += pairs["weight"]
    return {kind: found.reshape(MOST_ROWS, COLUMNS) for kind, found in sums.items()}
