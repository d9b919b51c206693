from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView, View

from tracking.api.errors import ApiError, error_response


# Nothing is changed here, and it is the method that is wrong, not the missing token.
@method_decorator(csrf_exempt, name="dispatch")
class OnlyRead(View):
    """What is only looked at; any other method gets the error that every route gives."""

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        allowed = {"Allow": "GET, HEAD, OPTIONS"}
        return error_response(request, ApiError("method_not_allowed"), allowed)


class Page(OnlyRead, TemplateView):
    pass
