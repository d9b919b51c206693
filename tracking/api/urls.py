"""The API's routes; each answers under /api/ and without it, with and without the last slash."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.urls import URLPattern, path, register_converter

from tracking.api import changes, readers, views
from tracking.api.event_errors import ErrorListView, ErrorView
from tracking.api.events import TimelineView, events
from tracking.api.sessions import SessionListView
from tracking.api.validate import validate_events
from tracking.ids import UUID_PATTERN


class Id:
    """A UUID in an address, in any of its spellings."""

    regex = UUID_PATTERN
    to_python = UUID
    to_url = str


class Number:
    """An id that the database counts."""

    regex = r"[0-9]{1,18}"
    to_python = int
    to_url = str


register_converter(Id, "id")
register_converter(Number, "number")


def route(pattern: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    """A route's four spellings, the canonical one first: it is what `reverse` gives."""
    spellings = [prefix + pattern + slash for prefix in ("api/", "") for slash in ("", "/")]
    canonical, *others = spellings
    return [path(canonical, view, name=name), *(path(other, view) for other in others)]


urlpatterns = [
    *route("schema", readers.SchemaView.as_view(), "schema"),
    *route("schema/swagger-ui", readers.Swagger.as_view(), "schema-swagger"),
    *route("schema/redoc", readers.Redoc.as_view(), "schema-redoc"),
    *route("docs", readers.Swagger.as_view(), "docs"),
    *route("swagger", readers.Swagger.as_view(), "swagger"),
    *route("redoc", readers.Redoc.as_view(), "redoc"),
    *route("errors/reprocess", changes.ReprocessView.as_view(), "errors-reprocess"),
    *route("errors", ErrorListView.as_view(), "errors"),
    *route("errors/<number:id>", ErrorView.as_view(), "error"),
    *route("events", events, "events"),
    *route("events/<id:id>", changes.EventView.as_view(), "event"),
    *route("events/validate", validate_events, "events-validate"),
    *route("receipts/<id:id>", views.ReceiptView.as_view(), "receipt"),
    *route("sessions", SessionListView.as_view(), "sessions"),
    *route("sessions/<id:id>", changes.SessionView.as_view(), "session"),
    *route("sessions/<id:id>/events", TimelineView.as_view(), "session-events"),
]
