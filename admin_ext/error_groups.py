"""What the page of grouped errors asks for. It reads the groups' counts, and never all errors.

There are at most some hundred groups for each application (see tracking/error_groups.py), and for
each period some dozen counts of a group.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.http import QueryDict

from admin_ext import spans
from admin_ext.error_filters import NO_TEXT
from admin_ext.filters import whole_number
from admin_ext.spans import PERIODS, BadPeriod
from reports.periods import Period
from reports.rollups import WITHOUT_JIT
from tracking.error_groups import ANY_PLACE, KEPT, PLACE_IN_ARRAY, begin_of
from tracking.error_mutes import in_force
from tracking.models import Application, ErrorCount, ErrorGroup, ErrorMute, EventError, EventType

PER_PAGE = 25
MOST_PAGES = 100
MOST_CHOICES = 200
DEFAULT_PERIOD = "24h"
STEPS = {
    "15m": ErrorCount.Step.MINUTE,
    "1h": ErrorCount.Step.MINUTE,
    "24h": ErrorCount.Step.HOUR,
    "7d": ErrorCount.Step.QUARTER,
    "30d": ErrorCount.Step.DAY,
}
BARS = {
    ErrorCount.Step.MINUTE: "a minute",
    ErrorCount.Step.HOUR: "an hour",
    ErrorCount.Step.QUARTER: "six hours",
    ErrorCount.Step.DAY: "a day",
}
TOO_LONG_AGO = (
    "Errors are counted by their kinds for 32 days. Begin later, or look at every single error."
)
ORDERS = {
    "newest": ("Newest first", "last_at DESC, id"),
    "frequent": ("Most frequent first", "seen DESC, id"),
}
# Between the category and the name of a type, where it is one text.
SLASH = " / "

type Counts = dict[datetime, tuple[int, int]]
type Types = dict[tuple[int | None, str, str], int]
type Kind = ErrorGroup | EventError


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; anything that it cannot mean is as if it were not there."""

    application: int | None
    # Empty: times of one's own.
    name: str
    period: Period
    step: ErrorCount.Step
    code: str
    type: str
    order: str
    resolved: bool
    muted: bool
    page: int

    @classmethod
    def of(cls, query: QueryDict, moment: datetime) -> "Asked":
        """Raises `BadPeriod`."""
        name, period, step = _period(query, moment)
        return cls(
            application=whole_number(query.get("application")),
            name=name,
            period=period,
            step=step,
            code=_text(query.get("code")),
            type=_text(query.get("type")),
            order=_one_of(ORDERS, query.get("order"), "newest"),
            resolved=query.get("resolved") == "shown",
            muted=query.get("muted") == "shown",
            page=min(max(whole_number(query.get("page")) or 1, 1), MOST_PAGES),
        )

    @property
    def bar(self) -> str:
        """How long each bar of the period is, in words."""
        return BARS[self.step]

    @property
    def when(self) -> str:
        """In words, within a sentence."""
        return f"in the {PERIODS[self.name][0].lower()}" if self.name else "in this period"

    @property
    def span(self) -> dict[str, str]:
        """The part of an address that says which period."""
        return {"period": self.name} if self.name else spans.written(self.period)

    @property
    def starts(self) -> list[datetime]:
        """Of the bars. Each counts whole, though the period may begin or end within it."""
        size = timedelta(seconds=self.step)
        first, end = begin_of(self.period.start, self.step), self.period.end
        return [first + n * size for n in range(-((first - end) // size))]

    @property
    def counted(self) -> Period:
        """All that the bars count: the period, and what is around it in their first and last."""
        return Period(self.starts[0], self.starts[-1] + timedelta(seconds=self.step))


def _period(query: QueryDict, moment: datetime) -> tuple[str, Period, ErrorCount.Step]:
    """Its name, and how long each of its bars is: as short as counts are kept for so long."""
    latest = spans.until_now(moment)
    if not spans.is_typed(query):
        name = _one_of(STEPS, query.get("period"), DEFAULT_PERIOD)
        return name, Period(moment - PERIODS[name][1], latest), STEPS[name]
    start, end = spans.typed(query, moment)
    if start >= latest:
        raise BadPeriod("This period has not begun yet: choose an earlier one.")
    steps = [step for step, kept in KEPT.items() if moment - start <= kept]
    if not steps:
        raise BadPeriod(TOO_LONG_AGO)
    return "", Period(start, min(end, latest)), min(steps)


def _one_of(choices: Collection[str], text: str | None, otherwise: str) -> str:
    return text if text is not None and text in choices else otherwise


def _text(text: str | None) -> str:
    """PostgreSQL has no text with a zero byte in it, and refuses to be asked for one."""
    return (text or "").replace("\0", "\ufffd")


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the groups that an address asks for."""

    groups: int
    errors: int
    hidden_resolved: int
    hidden_muted: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A group on the page: how many errors it had in the period, and how many are resolved."""

    group: ErrorGroup
    seen: int
    settled: int


# One pass over the counts of the period. Sums of double precision are exact up to 2⁵³, and far
# quicker than those of bigint, for which PostgreSQL calculates with numeric.
MATCHING = """
WITH counted AS (
    SELECT group_id, sum(errors::float8)::bigint AS seen, sum(resolved::float8)::bigint AS settled
      FROM tracking_errorcount
     WHERE step = %(step)s AND start >= %(since)s AND start < %(until)s
     GROUP BY group_id HAVING sum(errors::float8) > 0
), matching AS (
    SELECT errorgroup.id, last_at, seen, settled, seen = settled AS resolved,
           mute.group_id IS NOT NULL AS muted
      FROM counted JOIN tracking_errorgroup AS errorgroup ON errorgroup.id = counted.group_id
      LEFT JOIN tracking_errormute AS mute
        ON mute.group_id = errorgroup.id AND (until IS NULL OR until > %(moment)s)
     WHERE (%(application)s IS NULL OR application_id = %(application)s)
       AND (%(code)s = '' OR code = %(code)s)
       AND (%(type)s = '' OR category || ' / ' || name = %(type)s)
), shown AS (
    SELECT * FROM matching
     WHERE (%(with_resolved)s OR NOT resolved) AND (%(with_muted)s OR NOT muted)
), page AS (
    SELECT id, seen, settled, row_number() OVER (ORDER BY {order}) AS place
      FROM shown ORDER BY place LIMIT %(limit)s OFFSET %(offset)s
)
SELECT (SELECT jsonb_agg(jsonb_build_array(id, seen, settled) ORDER BY place) FROM page),
       (SELECT count(*) FROM shown), (SELECT coalesce(sum(seen), 0) FROM shown),
       count(*) FILTER (WHERE resolved AND NOT %(with_resolved)s),
       count(*) FILTER (WHERE muted AND NOT %(with_muted)s
                          AND (%(with_resolved)s OR NOT resolved))
  FROM matching
"""


def read(asked: Asked, moment: datetime) -> tuple[list[Listed], Totals]:
    """The groups of a page, and the totals of all pages."""
    _, order = ORDERS[asked.order]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(WITHOUT_JIT)
        cursor.execute(MATCHING.format(order=order), _parameters(asked, moment))
        page, groups, errors, resolved, muted = cursor.fetchone()
    listed = json.loads(page or "[]")
    known = ErrorGroup.objects.in_bulk([id for id, *_ in listed])
    found = [(known.get(UUID(id)), seen, settled) for id, seen, settled in listed]
    shown = [Listed(group, seen, settled) for group, seen, settled in found if group]
    return shown, Totals(groups, int(errors), resolved, muted)


def _parameters(asked: Asked, moment: datetime) -> dict[str, Any]:
    return {
        "step": asked.step,
        "since": asked.counted.start,
        "until": asked.counted.end,
        "moment": moment,
        "application": asked.application,
        "code": asked.code,
        "type": asked.type,
        "with_resolved": asked.resolved,
        "with_muted": asked.muted,
        "limit": PER_PAGE,
        "offset": (asked.page - 1) * PER_PAGE,
    }


def counts_of(groups: Iterable[ErrorGroup], asked: Asked) -> dict[UUID, Counts]:
    """By group and the beginning of the bar: errors, and how many of them are resolved."""
    since, until = asked.counted
    counts = ErrorCount.objects.filter(
        group__in=groups, step=asked.step, start__gte=since, start__lt=until
    )
    found: dict[UUID, Counts] = defaultdict(dict)
    for group, start, *numbers in counts.values_list("group", "start", "errors", "resolved"):
        found[group][start] = (numbers[0], numbers[1])
    return found


def examples_of(groups: Iterable[ErrorGroup]) -> dict[int, EventError]:
    """By their ids; without those that were deleted."""
    errors = EventError.objects.only("message", "value")
    return errors.in_bulk([group.example_id for group in groups])


def mutes_of(groups: Iterable[ErrorGroup]) -> dict[UUID, ErrorMute]:
    return {mute.group_id: mute for mute in in_force().filter(group__in=groups)}


def types_of(kinds: Collection[Kind]) -> Types:
    """The event types of these; by application, or None for all, category and name."""
    types = EventType.objects.filter(
        category__in={kind.category for kind in kinds}, name__in={kind.name for kind in kinds}
    )
    return {
        (application, category, name): id
        for id, application, category, name in types.values_list(
            "pk", "application_id", "category", "name"
        )
    }


def type_of(kind: Kind, types: Types) -> int | None:
    """An application's own type goes before one for all."""
    named = kind.category, kind.name
    return types.get((kind.application_id, *named)) or types.get((None, *named))


def in_list(kind: Kind) -> dict[str, Any]:
    """What the list of single errors is asked for all of this kind."""
    field = PLACE_IN_ARRAY.sub(ANY_PLACE, kind.field)
    texts = {"category": kind.category, "name": kind.name, "field": field, "code": kind.code}
    named = {name: text or NO_TEXT for name, text in texts.items()}
    return {"application": kind.application_id, **named}


def choices(asked: Asked) -> dict[str, list[tuple[str, str]]]:
    """What the page can be narrowed down to: by the names of its fields, values and labels."""
    groups = ErrorGroup.objects.exclude(code="")
    if asked.application is not None:
        groups = groups.filter(application=asked.application)
    codes = groups.order_by("code").values_list("code", flat=True).distinct()
    types = groups.order_by("category", "name").values_list("category", "name").distinct()
    applications = Application.objects.values_list("pk", "name")
    return {
        "application": [(str(id), name) for id, name in applications],
        "code": _with(asked.code, list(codes[:MOST_CHOICES])),
        "type": _with(asked.type, [SLASH.join(type) for type in types[:MOST_CHOICES]]),
    }


def _with(chosen: str, values: list[str]) -> list[tuple[str, str]]:
    """The chosen one is there too where it was one too many, or is no more."""
    if chosen and chosen not in values:
        values.append(chosen)
    return [(value, value if value.strip(SLASH) else "no type") for value in values]
