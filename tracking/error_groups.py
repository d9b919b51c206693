"""Grouping errors: what the outbox tells is added to the counts of their groups, exactly once.

An application that sends ever other fields or names has no more than `MOST_GROUPS` groups; what
comes beyond counts in its rest. While there is a rest, nothing of this application gets a group of
its own: so all errors of a kind are in one place, and what is resolved or deleted is taken from
where it was counted.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Count
from django.utils.timezone import now

from tracking.ids import EPOCH
from tracking.models import ErrorCount, ErrorGroup

MOST_GROUPS = 300
PLACE_IN_ARRAY = re.compile(r"\[\d+\]")
ANY_PLACE = "[*]"
PATTERN_OF_PLACE = r"\[(?:[0-9]+|\*)\]"
# How long the counts of a step are kept: a little longer than any period that is made of them.
KEPT = {
    ErrorCount.Step.MINUTE: timedelta(hours=2),
    ErrorCount.Step.HOUR: timedelta(days=2),
    ErrorCount.Step.QUARTER: timedelta(days=8),
    ErrorCount.Step.DAY: timedelta(days=32),
}
OLD_AT_ONCE = 5_000


class Kind(NamedTuple):
    """What the errors of one group have in common."""

    application_id: int
    category: str = ""
    name: str = ""
    field: str = ""
    code: str = ""

    @property
    def id(self) -> UUID:
        return UUID(bytes=blake2b(msgspec.json.encode(self), digest_size=16).digest())

    @property
    def rest(self) -> "Kind":
        return Kind(self.application_id)


class Change(NamedTuple):
    """A row of the outbox: see ErrorChange."""

    application_id: int
    category: str
    name: str
    field: str
    code: str
    minute: datetime
    errors: int
    resolved: int
    first_at: datetime
    last_at: datetime
    example_id: int

    @property
    def kind(self) -> Kind:
        field = PLACE_IN_ARRAY.sub(ANY_PLACE, self.field)
        return Kind(self.application_id, self.category, self.name, field, self.code)


type Placed = Sequence[tuple[Kind, Change]]

TAKE = f"""
DELETE FROM tracking_errorchange
 WHERE id IN (SELECT id FROM tracking_errorchange ORDER BY id LIMIT %s)
RETURNING {", ".join(Change._fields)}
"""
ADD = """
INSERT INTO tracking_errorgroup AS known
       (id, application_id, category, name, field, code, first_at, last_at, errors, resolved,
        example_id)
SELECT id, application_id, category, name, field, code, min(first_at), max(last_at), sum(errors),
       sum(resolved), max(example_id)
  FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[])
       AS change(id, application_id, category, name, field, code, first_at, last_at, errors,
                 resolved, example_id)
 GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (id) DO UPDATE
   SET first_at = least(known.first_at, excluded.first_at),
       last_at = greatest(known.last_at, excluded.last_at),
       errors = known.errors + excluded.errors,
       resolved = known.resolved + excluded.resolved,
       example_id = greatest(known.example_id, excluded.example_id)
"""
COUNT = """
INSERT INTO tracking_errorcount AS known (group_id, step, start, errors, resolved)
SELECT group_id, step, start, sum(errors), sum(resolved)
  FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[], %s::bigint[], %s::bigint[])
       AS change(group_id, step, start, errors, resolved)
 GROUP BY 1, 2, 3
    ON CONFLICT (group_id, step, start) DO UPDATE
   SET errors = known.errors + excluded.errors, resolved = known.resolved + excluded.resolved
"""
# With its last error a group goes, and makes room for another.
EMPTY = """
WITH gone AS (
    DELETE FROM tracking_errorgroup WHERE id = ANY(%s::uuid[]) AND errors <= 0 RETURNING id
)
DELETE FROM tracking_errorcount WHERE group_id IN (SELECT id FROM gone)
"""
OLD = """
DELETE FROM tracking_errorcount WHERE id IN (
    SELECT id FROM tracking_errorcount WHERE step = %s AND start < %s ORDER BY start LIMIT %s
)
"""


def take(most: int) -> int:
    """Adds so many rows of the outbox to the groups; how many there were.

    In a transaction in which nobody else does.
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [most])
        changes = [Change(*row) for row in cursor.fetchall()]
    if changes:
        moment = now()
        placed = _placed(changes)
        _add(placed)
        _count(placed, moment)
        _clear({kind.id for kind, _ in placed}, moment)
    return len(changes)


def place_pattern(field: str) -> str:
    """A regular expression of PostgreSQL for the fields that a group's field stands for."""
    parts = map(re.escape, field.split(ANY_PLACE))
    return f"^{PATTERN_OF_PLACE.join(parts)}$"


def begin_of(moment: datetime, step: int) -> datetime:
    """Of the span of so many seconds in which the moment is."""
    size = timedelta(seconds=step)
    return EPOCH + (moment - EPOCH) // size * size


def _placed(changes: Sequence[Change]) -> Placed:
    """Each with the group in which it counts."""
    places = _places({change.kind for change in changes}, _arriving(changes))
    return [(places[change.kind], change) for change in changes if change.kind in places]


def _arriving(changes: Iterable[Change]) -> set[Kind]:
    return {change.kind for change in changes if change.errors > 0}


def _places(kinds: Collection[Kind], arriving: Collection[Kind]) -> dict[Kind, Kind]:
    """Which group each counts in. Of errors that nobody told of, nothing is taken back."""
    ids = [group.id for kind in kinds for group in (kind, kind.rest)]
    known = set(ErrorGroup.objects.filter(pk__in=ids).values_list("pk", flat=True))
    room = _room({kind.application_id for kind in kinds if kind.id not in known})
    places = {}
    for kind in sorted(kinds):
        if kind.id in known:
            places[kind] = kind
        elif kind.rest.id in known:
            places[kind] = kind.rest
        elif kind in arriving:
            places[kind] = kind if room[kind.application_id] > 0 else kind.rest
            room[kind.application_id] -= 1
    return places


def _room(applications: Collection[int]) -> Counter[int]:
    """How many more groups each of these may have."""
    theirs = ErrorGroup.objects.filter(application__in=applications).exclude(code="")
    taken = dict(theirs.values_list("application").annotate(Count("pk")))
    return Counter({id: MOST_GROUPS - taken.get(id, 0) for id in applications})


def _add(placed: Placed) -> None:
    rows = [
        (kind.id, *kind, change.first_at, change.last_at, *_numbers(change), change.example_id)
        for kind, change in placed
    ]
    _execute(ADD, rows)


def _count(placed: Placed, moment: datetime) -> None:
    rows = [
        (kind.id, step.value, begin_of(change.minute, step), *_numbers(change))
        for kind, change in placed
        for step in ErrorCount.Step
        if begin_of(change.minute, step) >= _oldest(step, moment)
    ]
    _execute(COUNT, rows)


def _numbers(change: Change) -> tuple[int, int]:
    return change.errors, change.resolved


def _execute(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """With an array for each column."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _clear(touched: Collection[UUID], moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY, [list(touched)])
        for step in ErrorCount.Step:
            cursor.execute(OLD, [step, _oldest(step, moment), OLD_AT_ONCE])


def _oldest(step: ErrorCount.Step, moment: datetime) -> datetime:
    return begin_of(moment - KEPT[step], step)
