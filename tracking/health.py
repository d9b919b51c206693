from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from tracking.api.errors import ApiError, error_response

OLDEST = "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM tracking_batch"


def alive(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> HttpResponse:
    """Whether requests can be served, and how old the oldest batch in the inbox is."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(OLDEST)
            (seconds,) = cursor.fetchone()
    except Error:
        connection.close()
        return error_response(request, ApiError("unavailable"))
    return JsonResponse({"status": "ready", "oldest_batch_seconds": round(float(seconds), 3)})
