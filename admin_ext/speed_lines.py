"""How fast the pointer was through a session, small enough for a row of a list."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.html import format_html
from django.utils.safestring import SafeString

from admin_ext.display import EMPTY
from admin_ext.sparkline import Sparkline
from reports.models import SessionReport

BARS = 40
SECOND = timedelta(seconds=1)
# The mean speed in each of up to BARS equal parts of a session. Of a part, its first eight seconds
# with samples: all there are in a session of five minutes, and no more work for one of a day.
SECONDS_OF_A_BAR = 8
SPEEDS = """
SET LOCAL jit = off;
SELECT asked.id, array_agg(coalesce(bar.speed, 0)::bigint ORDER BY n)
  FROM unnest(%(ids)s::uuid[], %(starts)s::timestamptz[], %(steps)s::interval[], %(bars)s::int[])
       AS asked (id, start, step, bars)
 CROSS JOIN LATERAL generate_series(0, bars - 1) AS n
  LEFT JOIN LATERAL (
    SELECT 1000 * sum(distance_px) / nullif(sum(moving_ms), 0) AS speed
      FROM (SELECT distance_px, moving_ms FROM reports_pointersecond
             WHERE session_id = asked.id
               AND second >= start + n * step AND second < start + (n + 1) * step
             ORDER BY second LIMIT %(seconds)s) AS moved
  ) AS bar ON true
 GROUP BY asked.id
"""


def of_reports(reports: Collection[SessionReport]) -> dict[UUID, SafeString | str]:
    """px/s from each session's first event to its last, as a picture; where the pointer moved."""
    asked = {report.pk: parts(report) for report in reports if report.samples}
    if not asked:
        return {}
    starts, steps, bars = zip(*asked.values(), strict=True)
    values: dict[str, Any] = {
        "ids": [*asked],
        "starts": [*starts],
        "steps": [*steps],
        "bars": [*bars],
        "seconds": SECONDS_OF_A_BAR,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SPEEDS, values)
        return {id: picture(speeds) for id, speeds in cursor.fetchall()}


def parts(report: SessionReport) -> tuple[datetime, timedelta, int]:
    """Where the line begins, how long each part is, and how many there are: whole seconds."""
    times = [time for time in (report.started_at, report.ended_at, report.data_until) if time]
    start = min(times).replace(microsecond=0)
    seconds = int((max(times) - start) / SECOND) + 1
    step = -(-seconds // BARS)
    return start, step * SECOND, -(-seconds // step)


def picture(speeds: list[int]) -> SafeString | str:
    line = Sparkline(speeds, ())
    if not line.peak:
        return EMPTY
    return format_html(
        '<svg class="eye-speed-line" viewBox="0 0 {} 24" preserveAspectRatio="none" role="img"'
        ' aria-label="up to {} px/s on average"><path d="{}"/></svg>',
        BARS,
        f"{line.peak:,}",
        line.back_path,
    )
