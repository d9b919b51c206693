"""What the web processes count, for Prometheus; exposition.py gives it out.

Counting is a few microseconds. Where several processes serve, their counters are in files that
all of them can read (see `config.scoreboard`).
"""

import os
from collections.abc import Callable
from functools import cache
from time import perf_counter

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Histogram

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

registry = CollectorRegistry()
# The folder, as prometheus_client found it when it was imported; without one there is one process.
shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")

REQUESTS = Counter(
    "eye_requests", "Requests answered.", ["route", "method", "status"], registry=registry
)
LATENCY = Histogram(
    "eye_request_seconds",
    "From the request's head to the answer's, with the time in which its body comes.",
    ["route"],
    buckets=SECONDS,
    registry=registry,
)
ACCEPTED = Counter(
    "eye_accepted_events", "Events answered with 202, by kind of key.", ["kind"], registry=registry
)
THROTTLED = Counter(
    "eye_throttled_requests",
    "Requests with more events than their key may send, by kind of key.",
    ["kind"],
    registry=registry,
)


def accepted(publishable: bool, events: int) -> None:
    ACCEPTED.labels(_kind(publishable)).inc(events)


def throttled(publishable: bool) -> None:
    THROTTLED.labels(_kind(publishable)).inc()


def _kind(publishable: bool) -> str:
    return "publishable" if publishable else "secret"


def answered(request: HttpRequest, response: HttpResponseBase, route: str) -> None:
    """Of a request on which is noted, as `started`, when its head was there."""
    known = request.method if request.method in METHODS else "other"
    requests, latency = _of_route(route, known, response.status_code)
    requests.inc()
    latency.observe(perf_counter() - request.started)  # type: ignore[attr-defined]


@cache
def _of_route(route: str, method: str | None, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, method, str(status)), LATENCY.labels(route)


class MetricsMiddleware:
    """Counts the requests, and measures how long each took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not hasattr(request, "started"):  # by a server of another kind than ours
            request.started = perf_counter()  # type: ignore[attr-defined]
        response = self.get_response(request)
        answered(request, response, route_of(request))
        return response


def route_of(request: HttpRequest) -> str:
    """The pattern that the address matched, the same for all its spellings.

    Never the address itself: there would be as many as clients care to make up.
    """
    match = request.resolver_match
    if match is None:
        return "none"
    pattern = match.route.replace("^", "").removesuffix("$").removesuffix("?").removesuffix("/")
    return "/" + pattern.removeprefix("api/")
