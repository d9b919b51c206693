"""The page that watches the live sessions, and what it asks for every second."""

from typing import Any, cast

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.generic import TemplateView, View
from unfold.views import UnfoldSiteViewMixin

from admin_ext import display, live_sessions
from admin_ext.filters import whole_number
from tracking.ids import NIL
from tracking.models import Application

PERMISSIONS = ("tracking.view_session", "reports.view_sessionreport")


class LivePage(UnfoldSiteViewMixin, TemplateView):  # type: ignore[misc]
    title = "Live"
    template_name = "admin/eye/live.html"
    permission_required = PERMISSIONS

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        named = Application.objects.order_by("name").values_list("pk", "name")
        return super().get_context_data(
            applications=[(id, display.visible(display.shorten(name, 60))) for id, name in named],
            application=whole_number(self.request.GET.get("application")),
            data_url=reverse("admin:eye_live_data"),
            # The page puts the session's id in the place of this one.
            session_url=reverse("admin:tracking_session_change", args=[NIL]),
            nil=NIL,
            most=live_sessions.MOST_SHOWN,
            moving_seconds=int(live_sessions.MOVING.total_seconds()),
            **kwargs,
        )


class LiveData(PermissionRequiredMixin, View):
    """`?since=` the cursor of an earlier answer gives only what changed; 304 where nothing did."""

    permission_required = PERMISSIONS
    admin_site: Any = None

    def get(self, request: HttpRequest) -> HttpResponse:
        found = live_sessions.answer(
            whole_number(request.GET.get("application")),
            whole_number(request.GET.get("since")) or 0,
        )
        response = HttpResponse(found.body, "application/json", headers={"ETag": found.etag})
        same = get_conditional_response(request, etag=found.etag, response=response)
        return cast(HttpResponse, same)
