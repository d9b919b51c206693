from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from admin_ext import display, filters, queries, session_page
from admin_ext.erase import EraseActions
from admin_ext.kit import ReadOnlyAdmin
from admin_ext.recompute import RecomputeActions
from admin_ext.session_heat import SessionHeatData
from tracking.models import Session


def state(session: Session) -> SafeString:
    if queries.is_live(session):
        return display.badge("live", "success")
    if session.stale:
        return display.badge("report stale", "warning")
    return display.badge("ended")


def applications(session: Session) -> SafeString:
    return display.names(session.applications.all())


OF_THE_REPORT = (
    display.figure("report.distance_px", "distance", "px"),
    display.figure("report.speed_p95", "p95 speed", "px/s"),
)


@admin.register(Session)
class SessionAdmin(filters.SearchById, RecomputeActions, EraseActions, ReadOnlyAdmin):
    empty_hint = (
        "A session begins with its first event: open the capture page, or send one with an API key."
    )
    list_display = (
        display.column(lambda session: display.short_id(session.pk), "id", "session"),
        display.column(state, "state", "state"),
        display.column(applications, "applications", "applications"),
        display.time("first_at", "first event (UTC)"),
        display.time("last_at", "last event (UTC)"),
        display.figure("total_events", "events"),
        display.figure("error_count", "errors"),
        *OF_THE_REPORT,
    )
    list_filter = (
        filters.LastEventPeriod,
        filters.SessionApplicationFilter,
        filters.StaleFilter,
        filters.ErrorsFilter,
    )
    list_select_related = ("report",)
    actions = (*RecomputeActions.actions, *EraseActions.actions)
    actions_detail = (*RecomputeActions.actions_detail, *EraseActions.actions_detail)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        columns = list(super().get_list_display(request))
        if request.user.has_perm("reports.view_sessionreport"):
            return columns
        return [column for column in columns if column not in OF_THE_REPORT]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        sessions = super().get_queryset(request).select_related("report")
        return sessions.only(*queries.SESSION_COLUMNS).prefetch_related("applications")

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
