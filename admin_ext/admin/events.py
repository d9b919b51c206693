import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.http import HttpRequest
from django.utils.safestring import SafeString

from admin_ext import display, filters, period_filters
from admin_ext.browsed import BrowsedAdmin
from tracking.models import Event

PREVIEW = 90


def preview(event: Any) -> SafeString:
    return display.plain(getattr(event, "preview", ""), PREVIEW)


def payload(event: Event) -> SafeString:
    return display.pretty(event.data)


def payload_size(event: Event) -> str:
    return f"{len(json.dumps(event.data, ensure_ascii=False).encode()):,} bytes"


@admin.register(Event)
class EventAdmin(filters.SearchById, BrowsedAdmin):
    empty_hint = "Open the capture page and move the pointer, or send an event with an API key."
    list_display = (
        display.time("timestamp", "time", order="pk"),
        display.words("category", "category"),
        display.words("name", "name"),
        display.words("application", "application", 40),
        display.session_link(short=True),
        display.column(preview, "preview", "data"),
    )
    list_filter = (
        period_filters.EventPeriod,
        filters.ApplicationFilter,
        filters.CategoryFilter,
        filters.NameFilter,
        filters.SessionFilter,
    )
    sorted_by = "-timestamp"
    list_select_related = ("application",)
    list_defer = ("data",)
    fields = (
        "id",
        display.session_link(),
        display.words("application", "application"),
        display.words("category", "category", 200),
        display.words("name", "name", 200),
        display.time("timestamp", "timestamp"),
        display.time("received_at", "received"),
        display.column(payload_size, "size", "size"),
        display.column(payload, "payload", "data"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        start = Left(Cast("data", TextField()), PREVIEW + 1)
        events: QuerySet[Event] = super().get_queryset(request)
        return events.annotate(preview=start)
