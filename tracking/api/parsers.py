"""JSON as strict as for events, for the routes of REST framework."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from tracking import wire
from tracking.api.errors import ApiError


class StrictJson(BaseParser):
    """An object of at most the size of one event."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read(wire.MAX_EVENT_BYTES + 1)
        if len(body) > wire.MAX_EVENT_BYTES:
            raise ApiError("event_too_large")
        try:
            value = wire.loads(body)
        except wire.NotJson:
            raise ApiError("malformed_json") from None
        except RecursionError:
            raise ApiError("too_deep") from None
        if wire.too_deep(body):
            raise ApiError("too_deep")
        if not isinstance(value, dict):
            raise ApiError("bad_request", "The body must be a JSON object.")
        return value
