from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.generic import TemplateView

from tracking.api.errors import ApiError, error_response


class Page(TemplateView):
    """A page that is only looked at; any other method gets the error that every route gives."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        allowed = {"Allow": "GET, HEAD, OPTIONS"}
        return error_response(request, ApiError("method_not_allowed"), allowed)
