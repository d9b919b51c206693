from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from admin_ext import display, filters, period_filters, queries, session_page
from admin_ext.browsed import BrowsedAdmin
from admin_ext.erase import EraseActions
from admin_ext.recompute import RecomputeActions
from admin_ext.report_columns import LARGE, ReportColumns
from admin_ext.session_heat import SessionHeatData
from tracking.models import Session


def state(session: Session) -> SafeString:
    if queries.is_live(session):
        return display.badge("live", "success")
    if session.stale:
        return display.badge("report stale", "warning")
    return display.badge("ended")


def sees_reports(request: HttpRequest) -> bool:
    return request.user.has_perm("reports.view_sessionreport")


def applications(session: Session) -> SafeString:
    return display.names(session.applications.all())


REPORT = ReportColumns("report")


@admin.register(Session)
class SessionAdmin(filters.SearchById, RecomputeActions, EraseActions, BrowsedAdmin):
    empty_hint = (
        "A session begins with its first event: open the capture page, or send one with an API key."
    )
    list_display = (
        display.column(lambda session: display.short_id(session.pk), "id", "session"),
        display.column(state, "state", "state"),
        display.column(applications, "applications", "applications"),
        REPORT.line,
        display.time("first_at", "first event", order="report__started_at"),
        display.time("last_at", "last event", order="last_at"),
        REPORT.duration,
        display.figure("total_events", "events", order="report__events"),
        display.figure("error_count", "errors", order="report__errors"),
        REPORT.distance,
        REPORT.p95,
    )
    more_columns = (
        REPORT.active,
        REPORT.page_views,
        REPORT.submits,
        REPORT.clicks,
        REPORT.rage_bursts,
        REPORT.moving,
        REPORT.mean_speed,
        REPORT.p50,
        REPORT.peak,
        REPORT.samples,
        REPORT.flags,
    )
    sorted_by = "-last_at"
    list_filter = (
        period_filters.LastEventPeriod,
        filters.SessionApplicationFilter,
        filters.LiveFilter,
        filters.StaleFilter,
        filters.ErrorsFilter,
        *filters.OF_A_REPORT,
    )
    actions = (*RecomputeActions.actions, *EraseActions.actions)
    actions_detail = (*RecomputeActions.actions_detail, *EraseActions.actions_detail)

    def usual_columns(self, request: HttpRequest) -> list[Any]:
        return self._seen_by(request, super().usual_columns(request))

    def columns(self, request: HttpRequest) -> list[Any]:
        return self._seen_by(request, super().columns(request))

    def _seen_by(self, request: HttpRequest, columns: list[Any]) -> list[Any]:
        if sees_reports(request):
            return columns
        return [column for column in columns if column not in REPORT.columns]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        shown = super().get_list_filter(request)
        if sees_reports(request):
            return [*shown]
        return [one for one in shown if one not in filters.OF_A_REPORT]

    def prepare(self, records: list[Any], names: set[str]) -> None:
        REPORT.prepare(records, names)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        sessions = super().get_queryset(request).select_related("report")
        large = [f"report__{field}" for field in LARGE]
        return sessions.defer(*large).prefetch_related("applications")

    def get_urls(self) -> list[URLPattern]:
        heat = self.admin_site.admin_view(SessionHeatData.as_view())
        return [
            path("<uuid:id>/heat.json", heat, name="tracking_session_heat"),
            *super().get_urls(),
        ]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Session | None:
        id = filters.uuid_of(object_id)
        return session_page.find(id) if id else None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["page"] = session_page.page_of(context["original"], request.user)
        return super().render_change_form(request, context, *args, **kwargs)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """The capture page links here, maybe a second before its session's first events arrive."""
        context = {
            **self.admin_site.each_context(request),
            "opts": opts,
            "title": "Nothing has arrived yet",
            "session_id": object_id,
            "may_arrive": filters.uuid_of(object_id) is not None,
        }
        template = "admin/tracking/session/waiting.html"
        return TemplateResponse(request, template, context, status=404)
