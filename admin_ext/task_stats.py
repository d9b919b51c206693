"""What tasks of each name did in the last 24 hours: how many, how long, how many failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery import states
from django.db import connection

from admin_ext.queries import remembered

HOURS = 24
# Of each name, so many of the latest are looked at.
SAMPLE = 10_000
MOST_NAMES = 100
REMEMBERED_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Stats:
    """Times in seconds; None where no task was measured."""

    name: str
    finished: int
    failed: int
    run_p50: float | None
    run_p95: float | None
    wait_p50: float | None
    wait_p95: float | None

    @property
    def is_sample(self) -> bool:
        return self.finished >= SAMPLE


# The index eye_task_of_name gives the names, one step each, and has all columns that are asked for.
STATS = """
WITH RECURSIVE names(name, n) AS (
    SELECT min(task_name), 1 FROM django_celery_results_taskresult
     UNION ALL
    SELECT (SELECT min(task_name) FROM django_celery_results_taskresult WHERE task_name > name),
           n + 1
      FROM names WHERE name IS NOT NULL AND n < %(names)s
)
SELECT name, count(status), count(*) FILTER (WHERE status = 'FAILURE'),
       percentile_cont(ARRAY[0.5, 0.95]::float8[]) WITHIN GROUP (
           ORDER BY extract(epoch FROM date_done - date_started)::float8
       ) FILTER (WHERE status = 'SUCCESS'),
       percentile_cont(ARRAY[0.5, 0.95]::float8[]) WITHIN GROUP (
           ORDER BY extract(epoch FROM date_started - date_created)::float8)
  FROM names LEFT JOIN LATERAL (
       SELECT status, date_created, date_started, date_done
         FROM django_celery_results_taskresult
        WHERE task_name = name AND date_done > now() - make_interval(hours => %(hours)s)
          AND status = ANY(%(over)s)
        ORDER BY date_done DESC
        LIMIT %(sample)s
  ) AS latest ON true
 WHERE name IS NOT NULL
 GROUP BY name
 ORDER BY name
"""


def by_name() -> Mapping[str, Stats]:
    return remembered("task-stats", REMEMBERED_SECONDS, _by_name)


def _by_name() -> dict[str, Stats]:
    parameters: dict[str, Any] = {
        "names": MOST_NAMES,
        "hours": HOURS,
        "over": sorted(states.READY_STATES),
        "sample": SAMPLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(STATS, parameters)
        rows = cursor.fetchall()
    return {
        name: Stats(name, finished, failed, *(run or (None, None)), *(wait or (None, None)))
        for name, finished, failed, run, wait in rows
    }
