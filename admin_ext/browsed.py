"""Lists that staff browse all day: each chooses the columns, and saves a list as it is seen."""

from functools import partial
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from admin_ext import columns, saved_views
from admin_ext.display import Column
from admin_ext.kit import ReadOnlyAdmin

# What an address may ask for beside the filters.
OF_EVERY_LIST = {columns.PARAMETER, ORDER_VAR, SEARCH_VAR}


class BrowsedAdmin(ReadOnlyAdmin):
    list_before_template = "admin/eye/list_bar.html"
    # Columns that can be had beside those of `list_display`.
    more_columns: tuple[Column, ...] = ()

    def columns(self, request: HttpRequest) -> list[Column]:
        """All that the list can show to this user."""
        return [*self.usual_columns(request), *self.more_columns]

    def usual_columns(self, request: HttpRequest) -> list[Column]:
        return [*self.list_display]

    def get_list_display(self, request: HttpRequest) -> list[Column]:
        return columns.chosen(request, self.columns(request), self.usual_columns(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if columns.is_choice(request):
            return columns.remember(request, self.columns(request))
        shown = self.get_list_display(request)
        context = {
            "views": saved_views.Views(
                request.user,
                self.opts.label,
                saved_views.query_of(request.GET),
                partial(self.can_show, request),
            ),
            "columns": [
                (column.__name__, capfirst(column.short_description), column in shown)
                for column in self.columns(request)[1:]
            ],
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        save = self.admin_site.admin_view(require_POST(self.save_view))
        forget = self.admin_site.admin_view(require_POST(self.forget_view))
        urls: list[URLPattern] = super().get_urls()
        return [
            path("views/save/", save, name=f"{name}_save_view"),
            path("views/<int:number>/forget/", forget, name=f"{name}_forget_view"),
            *urls,
        ]

    def can_show(self, request: HttpRequest, query: str) -> bool:
        """Whether the list takes all that an address asks of it, from this user."""
        asked = QueryDict(query)
        return all(
            name in OF_EVERY_LIST or self.lookup_allowed(name, asked[name], request)
            for name in asked
        )

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """With the columns that are seen, also where the address does not name them."""
        where, query = self._own_list(request), request.GET.copy()
        seen = self.get_list_display(request)
        if seen != self.usual_columns(request):
            query[columns.PARAMETER] = columns.written(seen[1:] or seen)
        can_show = partial(self.can_show, request)
        return saved_views.save(request, self.opts.label, query, where, can_show)

    def forget_view(self, request: HttpRequest, number: int) -> HttpResponse:
        return saved_views.forget(request, self.opts.label, number, self._own_list(request))

    def _own_list(self, request: HttpRequest) -> str:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
