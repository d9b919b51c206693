from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from admin_ext import display, filters, period_filters
from admin_ext.admin.rebuilds import MayRebuild
from admin_ext.browsed import BrowsedAdmin
from admin_ext.exports import ReportResource, SafeExport
from admin_ext.recompute import RecomputeActions
from admin_ext.report_columns import LARGE, ReportColumns
from reports.models import WHY_FINAL, SessionReport


def state(report: SessionReport) -> SafeString:
    if report.stale:
        return display.badge("stale", "warning")
    return final(report) if report.final else display.badge("up to date")


def final(report: SessionReport) -> SafeString:
    return display.badge("final", "info", WHY_FINAL)


def applications(report: SessionReport) -> SafeString:
    return display.names(report.session.applications.all())


def by_category(report: SessionReport) -> SafeString:
    return display.pretty(report.by_category)


def by_name(report: SessionReport) -> SafeString:
    return display.pretty(report.by_name)


SESSION = display.session_link()
REPORT = ReportColumns()
TIMES = (
    REPORT.time("started_at", "first event"),
    display.time("ended_at", "last event", order="ended_at"),
    REPORT.duration,
    REPORT.active,
)
COUNTS = (
    REPORT.figure("events", "events"),
    REPORT.figure("errors", "errors"),
    REPORT.page_views,
    REPORT.submits,
    REPORT.clicks,
    REPORT.rage_bursts,
)
POINTER = (
    REPORT.distance,
    REPORT.moving,
    REPORT.mean_speed,
    REPORT.p50,
    REPORT.p95,
    REPORT.peak,
    REPORT.median_dt,
    REPORT.samples,
)
MORE_POINTER = (
    display.length("observed_ms", "observed"),
    display.length("span_ms", "span"),
    display.figure("mean_speed_elapsed", "mean speed over the span", "px/s"),
    display.figure("acceleration_p95", "p95 acceleration", "px/s²"),
    display.figure("strokes", "strokes"),
    display.figure("gaps", "gaps"),
    display.figure("straightness", "straightness", "", 2),
    display.figure("turning_rad", "turning", "rad", 1),
    display.figure("flips_x", "flips along x"),
    display.figure("flips_y", "flips along y"),
    REPORT.flags,
)
KINDS = (
    display.column(by_category, "categories", "events by category"),
    display.column(by_name, "names", "events by category and name"),
)
BUILD = (
    display.column(state, "stale", "state"),
    display.time("computed_at", "computed"),
    display.time("data_until", "data until"),
    display.figure("revision", "revision of the session"),
    display.words("version", "algorithm"),
)


@admin.register(SessionReport)
class SessionReportAdmin(
    SafeExport, MayRebuild, filters.SearchById, RecomputeActions, BrowsedAdmin
):
    empty_hint = "A worker builds a report within seconds of a session's first event."
    # Named as in the CSV of all of it.
    list_display = (
        display.column(lambda report: display.short_id(report.pk), "session", "session"),
        display.column(applications, "applications", "applications"),
        REPORT.line,
        *TIMES[1:],
        *POINTER,
        *COUNTS,
        BUILD[0],
    )
    more_columns = (TIMES[0], REPORT.flags)
    sorted_by = "-ended_at"
    list_filter = (
        period_filters.EndedPeriod,
        filters.SessionApplicationFilter,
        filters.LiveFilter,
        filters.StaleReportFilter,
        filters.ErrorsFilter,
        *filters.OF_A_REPORT,
    )
    list_defer = LARGE
    search_help_text = "Session id, or how it begins"
    resource_classes = [ReportResource]
    fieldsets = (
        (None, {"fields": (SESSION, *BUILD)}),
        ("Time", {"fields": TIMES}),
        ("Pointer", {"fields": (*POINTER, *MORE_POINTER)}),
        ("What was done", {"fields": (*COUNTS, *KINDS)}),
    )
    readonly_fields = (SESSION, *BUILD, *TIMES, *POINTER, *MORE_POINTER, *COUNTS, *KINDS)

    def prepare(self, records: list[Any], names: set[str]) -> None:
        REPORT.prepare(records, names)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionReport]:
        """Joined, their sessions would be read whole where a filter leaves some hundred reports."""
        return super().get_queryset(request).prefetch_related("session__applications")
