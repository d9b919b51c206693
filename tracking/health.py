from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from tracking.api.errors import ApiError, error_response
from tracking.pages import OnlyRead

OLDEST = "SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0) FROM tracking_batch"


class Alive(OnlyRead):
    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({"status": "alive"})


class Ready(OnlyRead):
    """Whether requests can be served, and how old the oldest batch in the inbox is."""

    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            with connection.cursor() as cursor:
                cursor.execute(OLDEST)
                (seconds,) = cursor.fetchone()
        except Error:
            connection.close()
            return error_response(request, ApiError("unavailable"))
        return JsonResponse({"status": "ready", "oldest_batch_seconds": round(float(seconds), 3)})


alive = Alive.as_view()
ready = Ready.as_view()
