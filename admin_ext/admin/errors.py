from django.contrib import admin
from django.utils.safestring import SafeString

from admin_ext import display, error_filters, error_groups, filters, period_filters
from admin_ext.browsed import BrowsedAdmin
from admin_ext.reprocess import ReprocessActions
from tracking.models import EventError


def payload(error: EventError) -> SafeString:
    return display.block(display.value_of(error, "event.payload") or display.EMPTY)


def kind(error: EventError) -> SafeString:
    return display.plain(f"{error.category} / {error.name}" if error.category else "", 60)


def state(error: EventError) -> SafeString:
    resolved = error.resolved_at is not None
    return display.badge("resolved", "success") if resolved else display.badge("open", "warning")


def type_link(error: EventError) -> SafeString | str:
    event_type = error_groups.type_of(error, error_groups.types_of([error]))
    return display.change_link("tracking_eventtype", event_type, kind(error))


def same_kind(error: EventError) -> SafeString:
    query = error_groups.in_list(error)
    return display.list_link("tracking_eventerror", query, "all errors of this kind")


receipt_link = display.column(
    lambda error: display.change_link("tracking_receipt", error.receipt_id), "receipt", "receipt"
)


@admin.register(EventError)
class EventErrorAdmin(ReprocessActions, BrowsedAdmin):
    empty_hint = "Every field of every event was right."
    list_display = (
        display.time("created_at", "time", order="pk"),
        display.column(kind, "kind", "type"),
        display.words("field", "field"),
        display.words("code", "code"),
        display.words("message", "message", 120),
        display.words("value", "value", 40),
        display.column(state, "state", "state"),
        display.words("application", "application", 40),
        display.session_link(short=True),
    )
    list_filter = (
        period_filters.FoundPeriod,
        filters.ResolvedFilter,
        filters.ApplicationFilter,
        error_filters.CodeFilter,
        error_filters.FieldFilter,
        error_filters.CategoryFilter,
        error_filters.NameFilter,
        filters.SessionFilter,
        filters.ReceiptFilter,
    )
    sorted_by = "-created_at"
    list_select_related = ("application",)
    fields = (
        display.column(state, "state", "state"),
        display.column(same_kind, "same_kind", "kind"),
        display.column(type_link, "type_link", "event type"),
        display.words("category", "category", 200),
        display.words("name", "name", 200),
        display.words("field", "field", 200),
        display.words("code", "code"),
        display.words("message", "message", 1_000),
        display.words("value", "value", 200),
        display.words("application", "application"),
        display.session_link(),
        receipt_link,
        display.figure("position", "place in its batch"),
        display.time("created_at", "time"),
        display.time("resolved_at", "resolved"),
        display.column(payload, "payload", "the event as it was sent"),
    )
    readonly_fields = fields
