"""Filters of the list of errors by what those of a kind have in common: see eventerror_kind."""

from typing import Any

from django.db.models import QuerySet

from admin_ext.filters import ExactTextFilter
from tracking.error_groups import ANY_PLACE, place_pattern

# What stands in an address for the text that an event did not have.
NO_TEXT = "(none)"


class ErrorTextFilter(ExactTextFilter):
    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return super().of(queryset, "" if value == NO_TEXT else value)


class CategoryFilter(ErrorTextFilter):
    title = parameter_name = "category"


class NameFilter(ErrorTextFilter):
    title = parameter_name = "name"


class FieldFilter(ErrorTextFilter):
    """A field, or with `[*]` those of every place in an array."""

    title = parameter_name = "field"

    def of(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if ANY_PLACE not in value:
            return super().of(queryset, value)
        return queryset.filter(field__regex=place_pattern(value))


class CodeFilter(ErrorTextFilter):
    title = parameter_name = "code"
