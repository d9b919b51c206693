"""Error pages: a page for people in the admin, the API's JSON everywhere else."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import csrf, defaults

from tracking.api.errors import ApiError, error_response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _in_admin(request):
        return defaults.bad_request(request, exception)
    return error_response(request, ApiError("bad_request"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _in_admin(request):
        return defaults.permission_denied(request, exception, "admin/403.html")
    return error_response(request, ApiError("forbidden"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _in_admin(request):
        return defaults.page_not_found(request, exception, "admin/404.html")
    return error_response(request, ApiError("not_found"))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if _in_admin(request):
        return csrf.csrf_failure(request, reason)
    return error_response(
        request, ApiError("forbidden", f"{reason} Send a key, or the CSRF token.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    if _in_admin(request):
        return defaults.server_error(request, "admin/500.html")
    return error_response(request, ApiError("internal_error"))


def _in_admin(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))
