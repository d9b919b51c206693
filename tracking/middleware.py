import logging
from collections.abc import Callable
from uuid import uuid4

from django.db import Error
from django.http import HttpRequest, HttpResponse

from tracking.api.errors import ApiError, error_response
from tracking.faults import Fault, classify, sqlstate

logger = logging.getLogger(__name__)


class RequestIdMiddleware:
    """Names each request, so that an error a client saw can be found in the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not hasattr(request, "request_id"):  # the front has named its own
            request.request_id = uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response


class RefusalMiddleware:
    """Answers what a view refuses, and a database that is away, with the API's errors."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, ApiError):
            return error_response(request, error)
        if isinstance(error, Error) and classify(error) is Fault.TRANSIENT:
            logger.warning("PostgreSQL is away or unwell (SQLSTATE %s)", sqlstate(error))
            return error_response(request, ApiError("unavailable"))
        return None
