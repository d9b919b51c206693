"""What the page of grouped errors asks for. It reads the groups' counts, and never all errors.

There are at most some hundred groups for each application (see tracking/error_groups.py), and for
each period some dozen counts of a group.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.http import QueryDict

from admin_ext.filters import PERIODS
from tracking.error_groups import begin_of
from tracking.error_mutes import in_force
from tracking.models import Application, ErrorCount, ErrorGroup, ErrorMute, EventError, EventType

PER_PAGE = 50
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
ORDERS = {
    "newest": ("Newest first", ("-last_at", "pk")),
    "frequent": ("Most frequent first", ("-seen", "pk")),
}
# Between the category and the name of a type, where it is one text.
SLASH = " / "

type Counts = dict[datetime, ErrorCount]
type Types = dict[tuple[int | None, str, str], int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; anything that it cannot mean is as if it were not there."""

    application: int | None
    period: str
    code: str
    type: str
    order: str
    resolved: bool
    muted: bool
    page: int

    @classmethod
    def of(cls, query: QueryDict) -> "Asked":
        return cls(
            application=_whole(query.get("application")),
            period=_one_of(STEPS, query.get("period"), DEFAULT_PERIOD),
            code=_text(query.get("code")),
            type=_text(query.get("type")),
            order=_one_of(ORDERS, query.get("order"), "newest"),
            resolved=query.get("resolved") == "shown",
            muted=query.get("muted") == "shown",
            page=min(max(_whole(query.get("page")) or 1, 1), MOST_PAGES),
        )

    @property
    def step(self) -> ErrorCount.Step:
        return STEPS[self.period]

    @property
    def span(self) -> str:
        """In words, within a sentence."""
        return PERIODS[self.period][0].lower()

    def starts(self, moment: datetime) -> list[datetime]:
        """Of the spans that make up the period, the first and the last of them in part."""
        size = timedelta(seconds=self.step)
        first = begin_of(moment - PERIODS[self.period][1], self.step)
        return [first + n * size for n in range((moment - first) // size + 1)]


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


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


def matching(asked: Asked, moment: datetime) -> QuerySet[ErrorGroup]:
    """Groups with errors in the period: `seen` of them, of which `settled` are resolved."""
    return (
        ErrorGroup.objects.filter(_narrowed(asked))
        .filter(counts__step=asked.step, counts__start__gte=asked.starts(moment)[0])
        .annotate(seen=Sum("counts__errors"), settled=Sum("counts__resolved"))
        .annotate(muted=Exists(in_force().filter(group=OuterRef("pk"))))
        .filter(seen__gt=0)
    )


def _narrowed(asked: Asked) -> Q:
    narrowed = Q(application=asked.application) if asked.application is not None else Q()
    if asked.code:
        narrowed &= Q(code=asked.code)
    return narrowed & _of_type(asked.type) if asked.type else narrowed


def _of_type(text: str) -> Q:
    """Wherever the category ends that has a slash in itself."""
    parts = text.split(SLASH)
    found = Q(pk__in=[])
    for place in range(1, len(parts)):
        found |= Q(category=SLASH.join(parts[:place]), name=SLASH.join(parts[place:]))
    return found


def totals(groups: QuerySet[ErrorGroup], asked: Asked) -> Totals:
    shown, resolved, muted = _shown(asked), Q(seen=F("settled")), Q(muted=True)
    found = groups.aggregate(
        groups=Count("pk", filter=shown),
        errors=Sum("seen", filter=shown, default=0),
        hidden_resolved=Count("pk", filter=~shown & resolved),
        hidden_muted=Count("pk", filter=~shown & muted & ~resolved),
    )
    return Totals(**found)


def page_of(groups: QuerySet[ErrorGroup], asked: Asked) -> list[ErrorGroup]:
    begin = (asked.page - 1) * PER_PAGE
    _, order = ORDERS[asked.order]
    return list(groups.filter(_shown(asked)).order_by(*order)[begin : begin + PER_PAGE])


def _shown(asked: Asked) -> Q:
    shown = Q(seen__gt=0)
    if not asked.resolved:
        shown &= Q(seen__gt=F("settled"))
    return shown if asked.muted else shown & Q(muted=False)


def counts_of(groups: Iterable[ErrorGroup], asked: Asked, since: datetime) -> dict[UUID, Counts]:
    """By group and the beginning of the span."""
    counts = ErrorCount.objects.filter(group__in=groups, step=asked.step, start__gte=since)
    found: dict[UUID, Counts] = defaultdict(dict)
    for count in counts:
        found[count.group_id][count.start] = count
    return found


def examples_of(groups: Iterable[ErrorGroup]) -> dict[int, EventError]:
    """By their ids; without those that were deleted."""
    errors = EventError.objects.only("message", "value")
    return errors.in_bulk([group.example_id for group in groups])


def mutes_of(groups: Iterable[ErrorGroup]) -> dict[UUID, ErrorMute]:
    return {mute.group_id: mute for mute in in_force().filter(group__in=groups)}


def types_of(groups: Iterable[ErrorGroup]) -> Types:
    """The event types of these groups; by application, or None for all, category and name."""
    types = EventType.objects.filter(
        category__in={group.category for group in groups}, name__in={group.name for group in groups}
    )
    return {
        (application, category, name): id
        for id, application, category, name in types.values_list(
            "pk", "application_id", "category", "name"
        )
    }


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
