from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from admin_ext import display, filters, period_filters, queries
from admin_ext.kit import ReadOnlyAdmin
from tracking.models import Receipt

STATES: dict[str, str] = {Receipt.State.DIGESTED: "success", Receipt.State.SET_ASIDE: "warning"}


def wait(receipt: Receipt) -> str:
    return display.elapsed(receipt.digested_at - receipt.received_at)


def errors_link(receipt: Receipt) -> SafeString | str:
    if not receipt.rejected:
        return display.EMPTY
    return display.list_link("tracking_eventerror", {"receipt": receipt.pk}, "show the errors")


@admin.register(Receipt)
class ReceiptAdmin(filters.SearchById, ReadOnlyAdmin):
    empty_hint = "Each accepted batch gets its receipt when it leaves the inbox."
    list_display = (
        display.time("received_at", "received"),
        display.column(lambda receipt: display.short_id(receipt.pk), "receipt", "receipt"),
        display.words("application", "application", 40),
        display.status("state", "state", STATES),
        display.figure("events", "events"),
        display.figure("stored", "stored"),
        display.figure("duplicate", "duplicate"),
        display.figure("rejected", "rejected"),
        display.column(wait, "wait", "digested after", right=True),
    )
    list_filter = (period_filters.PeriodFilter,)
    list_select_related = ("application",)
    list_before_template = "admin/eye/receipt_totals.html"
    fields = (
        "id",
        display.words("application", "application"),
        display.status("state", "state", STATES),
        display.time("received_at", "received"),
        display.time("digested_at", "digested"),
        display.figure("events", "events"),
        display.figure("stored", "stored"),
        display.figure("duplicate", "duplicate"),
        display.figure("rejected", "rejected"),
        display.column(errors_link, "errors", "errors"),
    )
    readonly_fields = fields

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        context = {"totals": queries.totals(), **(extra_context or {})}
        return super().changelist_view(request, context)
