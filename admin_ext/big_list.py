"""The list of a large table: sorted by what an index gives, counted only where that is cheap."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.db.models import F, Model, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from unfold.widgets import UnfoldBooleanWidget

from admin_ext import columns
from admin_ext.counts import Count, count
from admin_ext.display import Column

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

CHECKBOX = "action_checkbox"


@dataclass(frozen=True, slots=True)
class Sorting:
    """By a column, and the ids where it is equal: so that one index gives it in both directions."""

    column: Column
    descending: bool

    @property
    def path(self) -> str:
        return str(self.column.admin_order_field)

    @property
    def order(self) -> list[str | OrderBy]:
        if self.path == "pk":
            return ["-pk" if self.descending else "pk"]
        if self.descending:
            return [F(self.path).desc(nulls_last=True), "-pk"]
        return [F(self.path).asc(nulls_first=True), "pk"]

    @property
    def narrows(self) -> bool:
        """Whether rows without it would stand in the way of the index."""
        return is_number(self.column) or "__" in self.path


def is_number(column: Column) -> bool:
    """As `display.figure` and `display.length` make it."""
    return hasattr(column, "formatting")


def opening(column: Column) -> SafeString:
    """What each of its cells begins with."""
    name, looks = column.__name__, " eye-right" if is_number(column) else ""
    return format_html('<td class="field-{}{}">', name, looks)


def drawn(cells: list[tuple[SafeString, Column]], record: Model) -> SafeString:
    """A page has a thousand: each is escaped once, and only where it is not safe already."""
    parts = (f"{begin}{conditional_escape(column(record))}</td>" for begin, column in cells)
    return mark_safe("".join(parts))  # noqa: S308


@cache
def toggle() -> str:
    """The box that selects all rows of a page."""
    says = {"id": "action-toggle", "class": "action-toggle", "aria-label": "Select all rows here"}
    box: str = UnfoldBooleanWidget(says).render("action-toggle", False)
    return box


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    title: str
    right: bool
    # Where a click sorts by it; none: it cannot be sorted by.
    url: str = ""
    direction: str = ""


class BigList(ChangeList):
    """`o=-distance_px` sorts by the column of this name, largest first."""

    model_admin: Any
    list_display: Any

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(request, *args, **kwargs)
        self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        kept: dict[str, Any] = super().get_filters_params(params)
        kept.pop(columns.PARAMETER, None)
        # A form without scripts sends each of its fields.
        return {name: values for name, values in kept.items() if any(values)}

    @cached_property
    def asked(self) -> Sorting | None:
        return self._sorting(self.params.get(ORDER_VAR, ""))

    @cached_property
    def sorting(self) -> Sorting | None:
        """What was asked for, or how the list is sorted anyway."""
        return self.asked or self._sorting(self.model_admin.sorted_by)

    def _sorting(self, asked: str) -> Sorting | None:
        name = asked.removeprefix("-")
        column = next((one for one in self._sortable() if one.__name__ == name), None)
        return Sorting(column, asked.startswith("-")) if column else None

    def _sortable(self) -> Iterator[Column]:
        """Also what is not shown: another viewer of the same address may show it."""
        every = self.model_admin.columns(self.request)
        return (column for column in every if hasattr(column, "admin_order_field"))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        if self.sorting:
            return self.sorting.order
        order: list[Any] = list(self.model._meta.ordering or ())
        is_whole = order and str(order[-1]).lstrip("-") in {"pk", self.opts.pk.name}
        return order if is_whole else [*order, "-pk"]

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Sorted by a number, or by a time of the report: those that have one."""
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if self.asked is None or not self.asked.narrows:
            return rows
        return rows.filter(**{f"{self.asked.path}__isnull": False})

    def get_results(self, request: HttpRequest) -> None:
        """Ids first: what is not on the page is then neither joined nor read but in an index."""
        self.page_num = min(max(self.page_num, 1), self.model_admin.paginator.MOST_PAGES)
        super().get_results(request)
        rows = self.apply_select_related(self.root_queryset)
        page = rows.filter(pk__in=self.result_list.values("pk"))
        self.result_list = page.order_by(*self.queryset.query.order_by)

    @property
    def has_boxes(self) -> bool:
        """Whether rows can be selected for an action."""
        return CHECKBOX in self.list_display

    @property
    def toggle(self) -> str:
        return toggle() if self.has_boxes else ""

    @property
    def headers(self) -> Iterator[Header]:
        """Of all columns but the box that selects a row."""
        for column in self.list_display:
            if column != CHECKBOX:
                yield self._header(column)

    def _header(self, column: Column) -> Header:
        name, title = column.__name__, capfirst(column.short_description)
        right = is_number(column)
        if not hasattr(column, "admin_order_field"):
            return Header(name, title, right)
        direction = ""
        if self.sorting and self.sorting.column is column:
            direction = "descending" if self.sorting.descending else "ascending"
        turned = name if direction == "descending" else f"-{name}"
        return Header(name, title, right, self.get_query_string({ORDER_VAR: turned}), direction)

    @cached_property
    def rows(self) -> list[SafeString]:
        """The cells of each row, as HTML."""
        records = list(self.result_list)
        first, *others = (column for column in self.list_display if column != CHECKBOX)
        self.model_admin.prepare(records, {column.__name__ for column in (first, *others)})
        cells = [(opening(column), column) for column in others]
        return [self._head(record, first) + drawn(cells, record) for record in records]

    def _head(self, record: Model, first: Column) -> SafeString:
        box = self.model_admin.action_checkbox(record) if self.has_boxes else ""
        return format_html(
            '{}<th scope="row" class="field-{}"><a href="{}{}">{}</a></th>',
            format_html('<td class="action-checkbox">{}</td>', box) if box else "",
            first.__name__,
            self.url_for_result(record),
            f"?{self.preserved_filters}" if self.preserved_filters else "",
            first(record),
        )

    @cached_property
    def total(self) -> Count:
        """How many there are on all pages."""
        shown, known = len(self.result_list), self.before + len(self.result_list)
        if shown < self.list_per_page and (shown or not self.before):
            return Count(known, exact=True)
        found = count(self.queryset)
        return found if found.number >= known else Count(known, exact=False)

    @property
    def narrowed_to(self) -> str:
        """What a row must have to be in the list as it is sorted."""
        if self.asked is None or not self.asked.narrows:
            return ""
        *relations, name = self.asked.path.split("__")
        model: Any = self.model
        for relation in relations:
            model = model._meta.get_field(relation).related_model
        if model._meta.get_field(name).null:
            return str(self.asked.column.short_description)
        return str(model._meta.verbose_name) if relations else ""

    @property
    def has_next(self) -> bool:
        is_full = len(self.result_list) == self.list_per_page
        return is_full and not (self.total.exact and self.last >= self.total.number)

    @property
    def first_page(self) -> str:
        return self.get_query_string(remove=[PAGE_VAR])

    @property
    def before(self) -> int:
        """How many rows are on the pages before this one."""
        return (self.page_num - 1) * self.list_per_page

    @property
    def first(self) -> int:
        return self.before + 1

    @property
    def last(self) -> int:
        return self.before + len(self.result_list)
