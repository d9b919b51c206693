"""The capture page: records the pointer of whoever opens it, and shows what the workers make of it."""

from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from tracking.api.auth import session_token
from tracking.keys import capture_key
from tracking.pages import Page


class CapturePage(Page):
    template_name = "tracking/capture.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().get(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

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
