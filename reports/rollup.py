"""Adding what the outboxes hold to the rollups: each of their rows exactly once.

A slice is one transaction: what it takes from an outbox and what it adds are committed together, or
neither is.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from math import inf
from time import monotonic
from typing import Any

from django.db import connection, transaction

from reports import heat_rollup
from reports.heat import HeatKey
from reports.models import HeatChange, Rollup, RollupChange
from reports.sums import NUMBERS, Sum
from tracking import error_groups, locks
from tracking.models import ErrorChange, Tally
from tracking.nudge import Bell

type Key = tuple[int | None, str, datetime]

CHANGES_AT_ONCE = 2_000
# Of those to the heatmaps one may be half a megabyte.
HEAT_AT_ONCE = 200
PLACE = ("application_id", "minute")
ARRIVED = ("sent", "stored", "duplicate", "rejected")
COUNTED = (*NUMBERS, *ARRIVED)
# One task does not hold its worker for longer than this; another one goes on.
SHIFT_SECONDS = 1.0

TAKE = """
DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT %s)
RETURNING {columns}
"""
# Equal to null is nothing, so that the sums of all applications are looked up by themselves.
KNOWN = """
SELECT rollup.*
  FROM unnest(%(applications)s::bigint[], %(steps)s::text[], %(starts)s::timestamptz[])
       AS key(application_id, step, start)
  JOIN reports_rollup AS rollup USING (application_id, step, start)
 UNION ALL
SELECT rollup.*
  FROM unnest(%(applications)s::bigint[], %(steps)s::text[], %(starts)s::timestamptz[])
       AS key(application_id, step, start)
  JOIN reports_rollup AS rollup USING (step, start)
 WHERE key.application_id IS NULL AND rollup.application_id IS NULL
"""


def roll_up(bell: Bell | None = None) -> dict[str, int]:
    """Takes all that waits, or what fits in a shift; says how many rows it took."""
    if bell:
        bell.answered()  # who commits after this rings again
    ends = monotonic() + (SHIFT_SECONDS if bell else inf)
    taken = 0
    while waits():
        rows = roll_up_slice()
        taken += rows or 0
        if rows is None or monotonic() >= ends:  # somebody else is at it, or the shift is over
            if bell:
                bell.ring()
            break
    return {"taken": taken}


def waits() -> bool:
    boxes = (RollupChange, Tally, HeatChange, ErrorChange)
    return any(box.objects.exists() for box in boxes)


def roll_up_slice() -> int | None:
    """How many rows were taken; None where somebody else is at it."""
    with transaction.atomic():
        if not locks.try_rollups():
            return None
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        sums: dict[Key, Sum] = defaultdict(Sum)
        taken = take_changes(sums) + take_tallies(sums)
        _add(sums)
        heat = _take("reports_heatchange", HEAT_AT_ONCE, *HeatKey._fields, "bins")
        heat_rollup.add(heat)
        errors = error_groups.take(CHANGES_AT_ONCE)
    return taken + len(heat) + errors


def take_changes(sums: Mapping[Key, Sum]) -> int:
    """What the builds of reports wrote."""
    rows = _take("reports_rollupchange", CHANGES_AT_ONCE, *PLACE, "speeds", *NUMBERS)
    for application, minute, speeds, *numbers in rows:
        named = dict(zip(NUMBERS, numbers, strict=True))
        for key in keys(application, minute):
            sums[key].add(named, bytes(speeds))
    return len(rows)


def take_tallies(sums: Mapping[Key, Sum]) -> int:
    """What was told of arrivals, which count for their application and among all."""
    rows = _take("tracking_tally", CHANGES_AT_ONCE, *PLACE, "code", "errors", "kinds", *ARRIVED)
    for application, minute, code, errors, told, *numbers in rows:
        named = dict(zip(ARRIVED, numbers, strict=True))
        kinds = json.loads(told or "{}")
        for key in (*keys(application, minute), *keys(None, minute)):
            sums[key].add(named)
            sums[key].add_errors({code: errors} if code else {})
            sums[key].add_kinds(kinds)
    return len(rows)


def _take(table: str, most: int, *columns: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE.format(table=table, columns=", ".join(columns)), [most])
        return list(cursor.fetchall())


def keys(application: int | None, minute: datetime) -> list[Key]:
    """The rows in which a minute counts."""
    hour = minute.replace(minute=0)
    starts = {
        Rollup.Step.MINUTE: minute,
        Rollup.Step.HOUR: hour,
        Rollup.Step.DAY: hour.replace(hour=0),
    }
    return [(application, step.value, start) for step, start in starts.items()]


def _add(sums: Mapping[Key, Sum]) -> None:
    for rollup in _known(sums):
        so_far = sums[rollup.application_id, rollup.step, rollup.start]
        so_far.add({name: getattr(rollup, name) for name in COUNTED}, bytes(rollup.speeds))
        so_far.add_errors(rollup.errors)
        so_far.add_to_kinds(rollup.kinds)
    Rollup.objects.bulk_create(
        [_rollup(key, sums[key]) for key in sorted(sums, key=_order)],
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["application", "step", "start"],
        update_fields=[*COUNTED, "errors", "kinds", "speeds"],
    )


def _known(keys: Iterable[Key]) -> Iterable[Rollup]:
    applications, steps, starts = zip(*keys, strict=True) if keys else ((), (), ())
    columns = {"applications": [*applications], "steps": [*steps], "starts": [*starts]}
    return Rollup.objects.raw(KNOWN, columns)


def _rollup(key: Key, sums: Sum) -> Rollup:
    application, step, start = key
    names: dict[str, Any] = {"application_id": application, "step": step, "start": start}
    told = {"errors": sums.errors, "kinds": sums.kinds.counts}
    return Rollup(**names, **sums.numbers, **told, speeds=sums.speeds())


def _order(key: Key) -> tuple[int, str, datetime]:
    application, step, start = key
    return application or 0, step, start
