from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

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
        if request.path.startswith(reverse("admin:index")):
            response._csp_replace = NEEDED_BY_UNFOLD  # type: ignore[attr-defined]
        return response
