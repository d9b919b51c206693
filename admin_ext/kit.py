"""Unfold's classes and decorators, which carry no types, as typed as Django's that they extend."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import checkbox
from unfold.decorators import action as unfold_action
from unfold.paginator import InfinitePaginator as UnfoldInfinitePaginator

from admin_ext import display
from admin_ext.actors import actor_of
from admin_ext.big_list import BigList
from admin_ext.zones import ZonedForms
from tracking import audit
from tracking.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as DjangoModelAdmin
    from django.contrib.admin import SimpleListFilter
    from django.contrib.admin import TabularInline as DjangoTabularInline
    from django.core.paginator import Paginator
    from django.forms import Form

    UnfoldModelAdmin = DjangoModelAdmin[Any]
    TabularInline = DjangoTabularInline[Any, Any]
    DropdownFilter = SimpleListFilter
    DropdownForm = Form
    NumberRangeFilter = SimpleListFilter
    TextFilter = SimpleListFilter
    BasePaginator = Paginator[Any]
else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import TabularInline
    from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter
    from unfold.contrib.filters.admin.numeric_filters import (
        RangeNumericListFilter as NumberRangeFilter,
    )
    from unfold.contrib.filters.admin.text_filters import TextFilter
    from unfold.contrib.filters.forms import DropdownForm

    BasePaginator = UnfoldInfinitePaginator

__all__ = [
    "DropdownFilter",
    "DropdownForm",
    "InfinitePaginator",
    "ModelAdmin",
    "NumberRangeFilter",
    "ReadOnlyAdmin",
    "TabularInline",
    "TextFilter",
    "action",
]

# How much an audit entry says of what it is about.
MOST_AUDITED = 100


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


def has_condition(method: Any) -> bool:
    return getattr(method, "when", None) is not None


class ModelAdmin(ZonedForms, UnfoldModelAdmin):
    """What all of ours do: whatever is added, changed or deleted by hand is in the audit list."""

    def response_action(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Django asks the database for whatever is said to be selected."""
        id_field: Any = self.opts.pk
        try:
            for id in request.POST.getlist(ACTION_CHECKBOX_NAME):
                id_field.run_validators(id_field.to_python(id))
        except ValidationError:
            raise BadRequest("There is no row with such an id.") from None
        return super().response_action(request, *args, **kwargs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Without the buttons that are not of this record, as it is now."""
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        asking = {one.action_name: one.method.when for one in found if has_condition(one.method)}
        record = self.get_object(request, str(object_id)) if asking else None
        unfit = {name for name, when in asking.items() if record is None or not when(record)}
        return [one for one in found if one.action_name not in unfit]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        entry = super().log_addition(request, obj, message)
        self._audit(request, AuditEntry.Action.ADDED, obj)
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        entry = super().log_change(request, obj, message)
        self._audit(request, AuditEntry.Action.CHANGED, obj, said=entry.get_change_message())
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._audit(request, AuditEntry.Action.REMOVED, obj)
        return super().log_deletions(request, queryset)

    def audited(self, obj: Any) -> dict[str, Any]:
        """What else the audit list says of a record that was added or changed."""
        return {}

    def _audit(
        self, request: HttpRequest, action: AuditEntry.Action, obj: Any, **details: Any
    ) -> None:
        more = {} if action == AuditEntry.Action.REMOVED else self.audited(obj)
        target = display.shorten(f"{self.opts.verbose_name} {obj}", MOST_AUDITED)
        audit.record(actor_of(request), action, target, id=str(obj.pk), **details, **more)


class InfinitePaginator(BasePaginator):
    """Pages without counting the rows. (Unfold's templates know it by this name.)"""

    template_name = "admin/eye/pages.html"
    # OFFSET walks over all it skips, and may have to look each up in another table: who wants rows
    # beyond these narrows the list down.
    MOST_PAGES = 200

    @property
    def count(self) -> int:
        return self.per_page * self.MOST_PAGES


def parameters_of(list_filter: Any) -> set[str]:
    """What a filter takes from the address."""
    name = getattr(list_filter, "parameter_name", "")
    if issubclass(list_filter, NumberRangeFilter):
        return {f"{name}_from", f"{name}_to"}
    return {name, *getattr(list_filter, "more_parameters", ())}


@cache
def checkbox_of_a_row() -> str:
    """Made once: Unfold renders a template for each row, which takes a sixth of a list's time."""
    box: str = checkbox.render(ACTION_CHECKBOX_NAME, "{}")
    return box


class ReadOnlyAdmin(ModelAdmin):
    """A list of a large table that the service fills: never read whole, never edited by hand."""

    change_list_template = "admin/eye/list.html"
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_disable_select_all = True
    list_filter_submit = True
    show_facets = ShowFacets.NEVER
    list_fullwidth = True
    # The column that the model's own order is by, as in an address. Only what an index gives in
    # order is a column to sort by: anything else reads the whole table.
    sorted_by = ""
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

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Only what the filters offer: no `?data__contains=` typed into the address."""
        return any(lookup in parameters_of(one) for one in self.get_list_filter(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BigList]:
        return BigList

    def columns(self, request: HttpRequest) -> list[Any]:
        """All that the list can show to this user."""
        return [*self.get_list_display(request)]

    def prepare(self, records: list[Any], names: set[str]) -> None:
        """Gives the records of a page what these of its columns need, all at once."""

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
