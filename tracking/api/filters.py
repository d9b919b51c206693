"""Filters of the API's lists. What is not understood is refused, never ignored."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import combinations
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.extensions import OpenApiFilterExtension
from rest_framework.request import Request
from rest_framework.views import APIView

from tracking.api.auth import own_application
from tracking.api.errors import ApiError, FieldError
from tracking.api.pagination import parameter
from tracking.ids import parse_uuid
from tracking.models import Application
from tracking.validation import moment_of

PAGING = ("page_size", "cursor")
MAX_TEXT = 200
BIGGEST = 2**63 - 1
# A plus sign that was not encoded arrives as a space: 2026-01-31T12:00:00 02:00.
LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$")
YES_AND_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def moment(text: str) -> datetime | None:
    return moment_of(with_plus(text))


def with_plus(text: str) -> str:
    return LOST_PLUS.sub(r"\1+\2", text)


def plain_text(text: str) -> str | None:
    return None if "\0" in text or len(text) > MAX_TEXT else text


def yes_or_no(text: str) -> bool | None:
    return YES_AND_NO.get(text.lower())


class Read(forms.Field):
    """A form field that is what `read` makes of the text; None means that it cannot be read."""

    def __init__(self, *, read: Callable[[str], Any], needed: str, **options: Any) -> None:
        options.pop("choices", None)
        super().__init__(**options)
        self.read = read
        self.needed = needed

    def to_python(self, value: str | None) -> Any:
        if value is None:
            return None
        if (understood := self.read(value)) is None:
            raise forms.ValidationError(f"{self.needed} is needed")
        return understood


class Filter(django_filters.Filter):  # type: ignore[misc]
    """Narrows a list to the rows whose `field_name` is `lookup_expr` the value."""

    field_class = Read
    read: Callable[[str], Any]
    needed: str
    # What may be asked for, in JSON Schema.
    schema: dict[str, Any] = {"type": "string"}

    def __init__(self, field_name: str, lookup_expr: str = "exact", **options: Any) -> None:
        reading = {"read": type(self).read, "needed": self.needed}
        super().__init__(field_name, lookup_expr, **reading, **options)

    def filter(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return rows if value is None else self.of(rows, value)

    def of(self, rows: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return rows.filter(**{f"{self.field_name}__{self.lookup_expr}": value})


class Moment(Filter, django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    read = staticmethod(moment)
    needed = "a date or time in ISO 8601, like 2026-01-31 or 2026-01-31T12:00:00Z,"
    schema = {"type": "string", "format": "date-time"}


class Uuid(Filter, django_filters.UUIDFilter):  # type: ignore[misc]
    read = staticmethod(parse_uuid)
    needed = "a UUID"
    schema = {"type": "string", "format": "uuid"}


class Text(Filter, django_filters.CharFilter):  # type: ignore[misc]
    read = staticmethod(plain_text)
    needed = f"text of at most {MAX_TEXT} characters, without U+0000,"
    schema = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT,
        "pattern": r"^[^\u0000]*$",
    }


class YesNo(Filter, django_filters.BooleanFilter):  # type: ignore[misc]
    read = staticmethod(yes_or_no)
    needed = "true or false"
    schema = {"type": "boolean"}


class OfApplication(Text):
    """An application by its id or its name."""

    def __init__(self, field_name: str = "application_id", **options: Any) -> None:
        super().__init__(field_name, "in", **options)

    def of(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return self.of_applications(rows, applications_named(value, self.parent.request))

    def of_applications(self, rows: QuerySet[Any], ids: list[int]) -> QuerySet[Any]:
        return rows.filter(**{f"{self.field_name}__in": ids})


def applications_named(text: str, request: Request) -> list[int]:
    """The ids of the applications of that id or name that may be seen: a list, for the indexes."""
    wanted = Q(name=text)
    if re.fullmatch(r"[0-9]{1,19}", text) and int(text) <= BIGGEST:
        wanted |= Q(pk=int(text))
    own = own_application(request)
    found = Application.objects.filter(wanted).values_list("pk", flat=True)
    return [id for id in found if own in (None, id)]


class Filters(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of one list. One filter under several names takes one value."""

    # Further parameters of the same address that are no filters.
    others: tuple[str, ...] = PAGING

    def check(self) -> None:
        """Raises `ApiError` for all that is wrong with the parameters."""
        wrong = [*self._unknown(), *self._not_plain()] or [*self._unreadable()]
        wrong = wrong or [*self._contradictory()]
        if wrong:
            raise refusal(wrong)

    @classmethod
    def spellings(cls) -> dict[str, list[str]]:
        """The filters by their first names, each with the other names that it has."""
        first: dict[Filter, str] = {}
        names: dict[str, list[str]] = {}
        for name, filter in cls.base_filters.items():
            if filter in first:
                names[first[filter]].append(name)
            else:
                first[filter] = name
                names[name] = []
        return names

    @property
    def applied(self) -> dict[str, Any]:
        """Each filter that was asked for, as it was understood."""
        values: dict[str, Any] = self.form.cleaned_data
        return {name: values[name] for name in self.data if name in self.filters}

    def value(self, name: str) -> Any:
        return self.form.cleaned_data[name]

    def _unknown(self) -> Iterator[FieldError]:
        # Each under its first name: the others are there for those who know them already.
        known = ", ".join([*self.spellings(), *self.others])
        for name in self.data:
            if name in self.filters or name in self.others:
                continue
            shown = name[:MAX_TEXT]
            message = f"There is no filter {shown!r}. There are: {known}."
            yield FieldError(shown, "unknown_filter", message)

    def _not_plain(self) -> Iterator[FieldError]:
        for name, values in self.data.lists():
            if len(set(values)) > 1:
                yield wrong_value(name[:MAX_TEXT], "it is given more than once")
            elif not values[0]:
                yield wrong_value(name[:MAX_TEXT], "it is empty; leave it out")

    def _unreadable(self) -> Iterator[FieldError]:
        errors = self.form.errors
        yield from (wrong_value(name, errors[name][0]) for name in self.data if name in errors)

    def _contradictory(self) -> Iterator[FieldError]:
        for one, other in combinations(self.applied, 2):
            is_same = self.filters[one] is self.filters[other]
            if is_same and self.value(one) != self.value(other):
                yield wrong_value(other, f"{one} says something else")


def wrong_value(name: str, message: str) -> FieldError:
    return FieldError(name, "bad_value", f"{name}: {message}.")


def refusal(wrong: Iterable[FieldError]) -> ApiError:
    first, *more = wrong
    return ApiError(first.code, first.message, first.field, errors=[first, *more] if more else ())


class FilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """Gives a view its filters, checked."""

    def filters_of(self, request: Request, rows: QuerySet[Any], view: APIView) -> Filters:
        filters: Filters = self.get_filterset(request, rows, view)
        filters.check()
        return filters


class FilterParameters(OpenApiFilterExtension):  # type: ignore[no-untyped-call]
    """Each filter once, under its first name, in the OpenAPI document."""

    target_class = FilterBackend
    priority = 1

    def get_schema_operation_parameters(self, auto_schema: Any, *args: Any) -> list[dict[str, Any]]:
        filters: type[Filters] = auto_schema.view.filterset_class
        return [
            parameter(name, filters.base_filters[name].schema, _also(others))
            for name, others in filters.spellings().items()
        ]


def _also(names: list[str]) -> str:
    return f"Also as {', '.join(f'`{name}`' for name in names)}." if names else ""
