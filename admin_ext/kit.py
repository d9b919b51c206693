"""Unfold's classes and decorators, which carry no types, as typed as Django's that they extend."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import checkbox
from unfold.decorators import action as unfold_action
from unfold.paginator import InfinitePaginator as UnfoldInfinitePaginator

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as DjangoModelAdmin
    from django.contrib.admin import SimpleListFilter
    from django.contrib.admin import TabularInline as DjangoTabularInline
    from django.core.paginator import Paginator

    ModelAdmin = DjangoModelAdmin[Any]
    TabularInline = DjangoTabularInline[Any, Any]
    DropdownFilter = SimpleListFilter
    TextFilter = SimpleListFilter
    BasePaginator = Paginator[Any]
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter
    from unfold.contrib.filters.admin.text_filters import TextFilter

    BasePaginator = UnfoldInfinitePaginator

__all__ = [
    "DropdownFilter",
    "InfinitePaginator",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "TabularInline",
    "TextFilter",
    "action",
]


def action[F: Callable[..., Any]](
    *,
    description: str,
    permissions: Sequence[str],
    icon: str | None = None,
    dialog: dict[str, Any] | None = None,
) -> Callable[[F], F]:
    """A button of a page. One that changes anything has a dialog: without it, it is a GET link."""
    decorate: Callable[[F], F] = unfold_action(
        description=description, permissions=permissions, icon=icon, dialog=dialog
    )
    return decorate


class InfinitePaginator(BasePaginator):
    """Pages without counting the rows. (Unfold's templates know it by this name.)"""

    template_name = "admin/eye/pages.html"
    # OFFSET walks over all it skips: who wants older rows narrows the list down.
    MOST_PAGES = 1_000

    @property
    def count(self) -> int:
        return self.per_page * self.MOST_PAGES


@cache
def checkbox_of_a_row() -> str:
    """Made once: Unfold renders a template for each row, which takes a sixth of a list's time."""
    box: str = checkbox.render(ACTION_CHECKBOX_NAME, "{}")
    return box


class ReadOnlyAdmin(ModelAdmin):
    """A list of a large table that the service fills: never counted, never edited by hand."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_disable_select_all = True
    list_filter_submit = True
    show_facets = ShowFacets.NEVER
    list_fullwidth = True
    # Only what an index gives in order: sorting by anything else reads the whole table.
    sortable_by = ()
    # Columns too large for a list.
    list_defer: tuple[str, ...] = ()
    actions: Any = ()

    @admin.display(description=ModelAdmin.action_checkbox.short_description)  # type: ignore[attr-defined]
    def action_checkbox(self, obj: Model) -> SafeString:
        return format_html(checkbox_of_a_row(), obj.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what `list_filter` offers: no `?data__contains=` typed into the address."""
        return any(getattr(f, "parameter_name", None) == lookup for f in self.list_filter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*self.list_defer)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Nobody edits these rows, so that their history is empty."""
        context = {"show_history": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)
