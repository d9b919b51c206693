"""The capture page: records the pointer of whoever opens it, and shows what the workers make of it."""

from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.generic import TemplateView

from tracking.api.auth import session_token
from tracking.api.errors import ApiError, error_response
from tracking.keys import capture_key


class CapturePage(TemplateView):
    template_name = "tracking/capture.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().get(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        allowed = {"Allow": "GET, HEAD, OPTIONS"}
        return error_response(request, ApiError("method_not_allowed"), allowed)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        session_id = uuid4()
        return super().get_context_data(
            key=capture_key(),
            session_id=session_id,
            session_token=session_token(session_id),
            events_url="/api/events",
            pointer_url=f"/api/sessions/{session_id}/pointer",
            admin_url=reverse("admin:tracking_session_change", args=[session_id]),
            **kwargs,
        )
