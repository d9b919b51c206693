"""Filters of the lists. Each asks for what an index can answer; see the models' Meta.indexes."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from admin_ext.kit import DropdownFilter, ModelAdmin, NumberRangeFilter, TextFilter
from admin_ext.queries import LIVE_FOR
from admin_ext.report_words import FLAGS
from reports.kinds_of import has_category, has_kind, has_name
from reports.models import SessionReport
from reports.staleness import is_current, is_stale
from tracking.models import Application, Session, SessionApplication

UUID_DIGITS = 32


def whole_number(text: str | None) -> int | None:
    """From an address; None where it is no number, or one that no id can be."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def uuid_range(text: str) -> tuple[UUID, UUID] | None:
    """The first and last UUID that begin with these hexadecimal digits; None if they are none."""
    digits = text.strip().lower().replace("-", "")
    if not digits or len(digits) > UUID_DIGITS or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(UUID_DIGITS, "0")), UUID(digits.ljust(UUID_DIGITS, "f"))


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def search_id(queryset: QuerySet[Any], text: str, field: str = "pk") -> QuerySet[Any]:
    """The rows whose UUID is, or begins with, what was typed."""
    if not (span := uuid_range(text)):
        return queryset.none()
    return queryset.filter(**{f"{field}__gte": span[0], f"{field}__lte": span[1]})


class SearchById(ModelAdmin):
    """A search box that finds a UUID by its beginning, through the primary key."""

    search_fields = ("pk",)
    search_help_text = "Id, or how it begins"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (search_id(queryset, search_term) if search_term.strip() else queryset), False


class ApplicationFilter(DropdownFilter):
    title = "application"
    parameter_name = "application"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(id), name) for id, name in Application.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        application = whole_number(self.value())
        return queryset.none() if application is None else self.of(queryset, application)

    def of(self, queryset: QuerySet[Any], application: int) -> QuerySet[Any]:
        return queryset.filter(application_id=application)


class SessionApplicationFilter(ApplicationFilter):
    """For sessions, and for what has a session's id as its primary key."""

    def of(self, queryset: QuerySet[Any], application: int) -> QuerySet[Any]:
        sessions = SessionApplication.objects.filter(application_id=application)
        return queryset.filter(pk__in=sessions.values("session_id"))


class Choice(DropdownFilter):
    """One of a few named conditions; what is none of them narrows nothing down."""

    choices_of: Mapping[str, str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.choices_of.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        return self.of(queryset, value) if value in self.choices_of else queryset

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): value})


class StaleFilter(Choice):
    title = "report"
    parameter_name = "report"
    choices_of = {"stale": "Stale", "current": "Up to date"}

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(self.stale() if value == "stale" else self.current())

    def stale(self) -> Q:
        return Q(report_revision__lt=F("revision"))

    def current(self) -> Q:
        return ~self.stale()


class StaleReportFilter(StaleFilter):
    def stale(self) -> Q:
        return is_stale()

    def current(self) -> Q:
        return is_current()


def of_report(rows: QuerySet[Any], field: str) -> str:
    """The path to a field of the report: from itself, or from its session."""
    return field if rows.model is SessionReport else f"report__{field}"


class LiveFilter(Choice):
    title = "live"
    parameter_name = "live"
    choices_of = {"yes": "Live", "no": "Ended"}

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        field = "session__last_at" if queryset.model is SessionReport else "last_at"
        lookup = "gte" if value == "yes" else "lt"
        return queryset.filter(**{f"{field}__{lookup}": now() - LIVE_FOR})


class SomeFilter(Choice):
    """With any of something that is counted, or with none."""

    field: str

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        path = of_report(queryset, self.field)
        return queryset.filter(**{f"{path}__gt" if value == "yes" else path: 0})


class ErrorsFilter(SomeFilter):
    title = "errors"
    parameter_name = field = "errors"
    choices_of = {"yes": "With errors", "no": "Without errors"}

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Most sessions have none: that needs no index, and no report."""
        if value == "no" and queryset.model is Session:
            return queryset.filter(error_count=0)
        return super().of(queryset, value)


class RageFilter(SomeFilter):
    title = "rage bursts"
    parameter_name = "rage"
    field = "rage_bursts"
    choices_of = {"yes": "With rage bursts", "no": "Without rage bursts"}


class FlagFilter(Choice):
    title = "flag"
    parameter_name = "flag"
    choices_of = {"any": "Any"} | {flag: flag.replace("_", " ").capitalize() for flag in FLAGS}

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        path = of_report(queryset, "flags")
        # In the words of the index of those that have any.
        flagged = queryset.filter(**{f"{path}__gt": []})
        return flagged if value == "any" else flagged.filter(**{f"{path}__contains": [value]})


class ReportRange(NumberRangeFilter):
    """A number of the report from, and to, what is typed in; `unit` is so much of what is kept."""

    field: str
    unit = 1.0

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        path = of_report(queryset, self.field)
        for end, lookup in (("from", "gte"), ("to", "lte")):
            text = (self.used_parameters.get(f"{self.parameter_name}_{end}") or "").strip()
            if not text:
                continue
            if (number := number_of(text)) is None:
                return queryset.none()
            queryset = queryset.filter(**{f"{path}__{lookup}": number * self.unit})
        return queryset


def number_of(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


class DurationRange(ReportRange):
    title = "duration (s)"
    parameter_name = "duration"
    field = "duration_ms"
    unit = 1_000.0


class DistanceRange(ReportRange):
    title = "distance (px)"
    parameter_name = "distance"
    field = "distance_px"


class SpeedRange(ReportRange):
    title = "p95 speed (px/s)"
    parameter_name = "speed"
    field = "speed_p95"


class ResolvedFilter(Choice):
    """Errors whose event was stored since."""

    title = "resolved"
    parameter_name = "resolved"
    choices_of = {"no": "Open", "yes": "Resolved"}

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(resolved_at__isnull=value == "no")


class IdFilter(TextFilter):
    """A UUID in full. Anything else finds nothing, rather than everything."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (value := self.value()):
            return queryset
        id = uuid_of(value)
        return self.of(queryset, id) if id else queryset.none()

    def of(self, queryset: QuerySet[Any], id: UUID) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): id})


class SessionFilter(IdFilter):
    title = parameter_name = "session"


class ReceiptFilter(IdFilter):
    title = parameter_name = "receipt"


class ExactTextFilter(TextFilter):
    """Text in full, as an index finds it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (value := self.value()):
            return queryset
        # PostgreSQL has no text with a zero byte in it, and refuses to be asked for one.
        return queryset.none() if "\0" in value else self.of(queryset, value)

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): value})


class EventTextFilter(ExactTextFilter):
    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Of each application, so that the indexes that begin with it serve what is rare."""
        applications = list(Application.objects.values_list("pk", flat=True))
        return super().of(queryset, value).filter(application_id__in=applications)


class CategoryFilter(EventTextFilter):
    title = parameter_name = "category"


class NameFilter(EventTextFilter):
    title = parameter_name = "name"


class HasCategory(ExactTextFilter):
    """Sessions in which an event of this category happened, so far as the report counts it."""

    title = "category of an event"
    parameter_name = "category"

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(has_category(of_report(queryset, "by_name"), value))


class HasName(ExactTextFilter):
    """With a category too, it is an event of both."""

    title = "name of an event"
    parameter_name = "name"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        named = super().queryset(request, queryset)
        category, name = request.GET.get(HasCategory.parameter_name), self.value()
        if not (category and name):
            return named
        return named.filter(has_kind(of_report(queryset, "by_name"), category, name))

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(has_name(of_report(queryset, "by_name"), value))


# By which lists of sessions and of reports are narrowed down, for who may see reports.
OF_A_REPORT = (
    DurationRange,
    DistanceRange,
    SpeedRange,
    RageFilter,
    FlagFilter,
    HasCategory,
    HasName,
)
