"""The API's routes; each answers under /api/ and without it, with and without the last slash."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.urls import URLPattern, path, register_converter

from tracking.api import views
from tracking.api.accept import accept
from tracking.ids import UUID_PATTERN


class Id:
    """A UUID in an address, in any of its spellings."""

    regex = UUID_PATTERN
    to_python = UUID
    to_url = str


register_converter(Id, "id")


def route(pattern: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    """A route's four spellings, the canonical one first: it is what `reverse` gives."""
    spellings = [prefix + pattern + slash for prefix in ("api/", "") for slash in ("", "/")]
    canonical, *others = spellings
    return [path(canonical, view, name=name), *(path(other, view) for other in others)]


urlpatterns = [
    *route("events", accept, "events"),
    *route("receipts/<id:id>", views.ReceiptView.as_view(), "receipt"),
    *route("sessions/<id:id>", views.SessionView.as_view(), "session"),
    *route("sessions/<id:id>/events", views.SessionEventsView.as_view(), "session-events"),
]
