from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ValidationError
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import reverse
from django.views.defaults import bad_request, page_not_found

from admin_ext.attempts import remember_browser

NEEDED_BY_UNFOLD = {
    # Alpine evaluates what stands in its attributes. Nothing inline is allowed.
    "script-src": [SELF, UNSAFE_EVAL],
    # Unfold writes its colours into a style element; Alpine and htmx set styles.
    "style-src": [SELF, UNSAFE_INLINE],
    # Adding a related record opens its form in a frame of the page.
    "frame-src": [SELF],
    "frame-ancestors": [SELF],
}


class AdminPolicyMiddleware:
    """Gives the admin, and nothing else, the Content-Security-Policy that Unfold needs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if in_admin(request):
            response._csp_replace = NEEDED_BY_UNFOLD  # type: ignore[attr-defined]
        return response


METHODS = ("GET", "HEAD", "POST")
# What these pages raise for a number that none has, or for what can be no id.
NOT_THERE = {"admin:search": InvalidPage, "admin:view_on_site": ValidationError}


class AdminRequestsMiddleware:
    """Refuses what no page of the admin is for, and what Django's and Unfold's would break over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in METHODS and in_admin(request):
            return HttpResponseNotAllowed(METHODS)  # Django's pages answer PUT as they do GET
        response = self.get_response(request)
        if name := getattr(request, "signed_in_as", None):
            remember_browser(response, name)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Stock pages ask for any number of a page or record, and for text with a zero byte in it."""
        view = request.resolver_match.view_name if request.resolver_match else ""
        if isinstance(error, NOT_THERE.get(view, ())):
            return page_not_found(request, error, "admin/404.html")
        is_zero = isinstance(error, ValueError) and "%00" in request.META.get("QUERY_STRING", "")
        return bad_request(request, error) if is_zero and in_admin(request) else None


def in_admin(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))
