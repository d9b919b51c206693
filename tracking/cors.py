"""Which sites' pages may send events: those at an origin of some live publishable key.

A browser asks before it shows us the key, so this looks at all keys. That the key and the origin
belong together is checked with the request itself.
"""

import re
from time import monotonic

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from tracking.keys import MEMORY_SECONDS, live
from tracking.models import ApiKey

_known: tuple[float, frozenset[str]] = (0.0, frozenset())


def is_allowed(sender: object, request: HttpRequest, **signal: object) -> bool:
    return _sends(request) and request.headers.get("Origin", "") in _origins()


def _sends(request: HttpRequest) -> bool:
    return bool(re.fullmatch(settings.CORS_URLS_REGEX, request.path_info))


def let_read(request: HttpRequest, response: HttpResponseBase) -> None:
    """Lets the page that sent this, if pages may, read the answer, as the middleware does."""
    if (origin := request.META.get("HTTP_ORIGIN")) and _sends(request):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = ", ".join(settings.CORS_EXPOSE_HEADERS)
        patch_vary_headers(response, ("origin",))


def _origins() -> frozenset[str]:
    """The origins of all live publishable keys, as of some seconds ago."""
    global _known
    until, origins = _known
    if monotonic() < until:
        return origins
    try:
        keys = ApiKey.objects.filter(live(), kind=ApiKey.Kind.PUBLISHABLE)
        origins = frozenset(o for some in keys.values_list("origins", flat=True) for o in some)
    except Error:  # the request itself will answer that the database is away
        return origins
    _known = (monotonic() + MEMORY_SECONDS, origins)
    return origins


def forget() -> None:
    """Drops what this process remembers of origins."""
    global _known
    _known = (0.0, frozenset())
