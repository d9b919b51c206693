"""GET /events and a session's timeline: rows in the order of an index."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, product
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django_filters import ChoiceFilter
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import kinds
from tracking.api.accept import accept
from tracking.api.auth import Reader, own_application
from tracking.api.filters import (
    Filter,
    Filters,
    Moment,
    OfApplication,
    Text,
    Uuid,
    applications_named,
)
from tracking.api.lists import ListView
from tracking.api.pagination import Order, Rows
from tracking.api.serializers import EventSerializer
from tracking.api.views import session_or_404
from tracking.ids import EPOCH, first_id_at, last_id_at
from tracking.models import IS_LATE, LATE, Application, Event
from tracking.validation import MAX_FUTURE

# Planning a merged list costs about 50 µs for each part and partition.
MOST_PARTS = 20
FAR = datetime(9999, 1, 1, tzinfo=UTC)


class EventTime(Moment):
    """A range of timestamps is a range of ids."""

    def of(self, rows: QuerySet[Any], value: datetime) -> QuerySet[Any]:
        id = first_id_at if self.lookup_expr == "gte" else last_id_at
        return rows.filter(**{f"id__{self.lookup_expr}": id(max(value, EPOCH))})


class Arrival(Moment):
    """When an event was received: its timestamp may be only a little later than that."""

    def of(self, rows: QuerySet[Any], value: datetime) -> QuerySet[Any]:
        rows = super().of(rows, value)
        if self.lookup_expr == "gte":
            return rows
        latest = min(max(value, EPOCH), FAR) + MAX_FUTURE
        return rows.filter(id__lte=last_id_at(latest))


class Ordering(Filter, ChoiceFilter):  # type: ignore[misc]
    needed = "timestamp or -timestamp"
    schema = {"type": "string", "enum": ["timestamp", "-timestamp"], "default": "timestamp"}

    @staticmethod
    def read(text: str) -> str | None:
        return text if text in {"timestamp", "-timestamp"} else None

    def of(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return rows


class TimelineFilters(Filters):
    category = Text("category")
    category__icontains = Text("category", "icontains")
    name = Text("name")
    name__icontains = Text("name", "icontains")
    timestamp_after = timestamp__gte = timestamp_gte = EventTime("id", "gte")
    timestamp_before = timestamp__lte = timestamp_lte = EventTime("id", "lte")
    created_at_after = created_at__gte = created_at_gte = Arrival("received_at", "gte")
    created_at_before = created_at__lte = created_at_lte = Arrival("received_at", "lte")
    ordering = Ordering("ordering", choices=[(name, name) for name in ("timestamp", "-timestamp")])

    def parts(self) -> Rows:
        return [self.qs]


Kinds = list[dict[str, str]]
KINDS = ("category", "category__icontains", "name", "name__icontains")
ARRIVED_SINCE = ("created_at_after", "created_at__gte", "created_at_gte")


class EventFilters(TimelineFilters):
    session = session_id = session__id = Uuid("session_id")
    application = OfApplication()

    def parts(self) -> Rows:
        """A session's events are few, and come from its own index."""
        if self._asked("session", "session_id", "session__id"):
            return [self.qs]
        since = next(filter(None, map(self.value, ARRIVED_SINCE)), None)
        if since is None:
            return self._by_kind()
        # Punctual events begin at an id; the late ones have an index of their own.
        first = first_id_at(max(since, EPOCH + LATE) - LATE)
        late = self.qs.filter(IS_LATE, id__lt=first)
        return [late, *(part.filter(id__gte=first) for part in self._by_kind())]

    def _by_kind(self) -> list[QuerySet[Event]]:
        """One part for each application, category and name: an index has each in the order of ids.

        What would be too many parts is left to the planner.
        """
        if not self._asked(*KINDS):
            return [self.qs]
        applications = self._applications()
        categories = self._kinds("category", applications)
        names = self._kinds("name", applications)
        if categories is None or names is None:
            return [self._of_all(applications)]
        wanted = list(islice(product(applications, categories, names), MOST_PARTS + 1))
        if len(wanted) > MOST_PARTS:
            return [self._of_all(applications)]
        rows = self._narrowed(name for name in self.filters if name not in {*KINDS, "application"})
        parts = [rows.filter(application_id=id, **kind, **name) for id, kind, name in wanted]
        return parts or [rows.none()]

    def _asked(self, *names: str) -> bool:
        return any(self.value(name) is not None for name in names)

    def _of_all(self, applications: list[int]) -> QuerySet[Event]:
        """Naming the applications makes the indexes usable, which all begin with one."""
        rows: QuerySet[Event] = self.qs.filter(application_id__in=applications)
        return rows

    def _narrowed(self, names: Iterable[str]) -> QuerySet[Event]:
        rows: QuerySet[Event] = self.queryset
        for name in names:
            rows = self.filters[name].filter(rows, self.value(name))
        return rows

    def _applications(self) -> list[int]:
        if wanted := self.value("application"):
            return applications_named(wanted, self.request)
        own = own_application(self.request)
        return [*Application.objects.values_list("pk", flat=True)] if own is None else [own]

    def _kinds(self, column: str, applications: list[int]) -> Kinds | None:
        """The values of a column that are asked for; None where only reading the rows can tell."""
        exact, part = self.value(column), self.value(f"{column}__icontains")
        if part is None:
            return [{}] if exact is None else [{column: exact}]
        if exact is not None:
            return [{column: exact, f"{column}__icontains": part}]
        found = kinds.matching(column, applications, part)
        return None if found is None else [{column: value} for value in found]


class EventsView(ListView):
    queryset = Event.objects.prefetch_related("application")
    serializer_class = EventSerializer
    staff_permission = "tracking.view_event"
    order = Order(newest_first=False)

    def rows(self, filters: Any) -> Rows:
        rows: Rows = filters.parts()
        return rows

    def order_of(self, filters: Filters) -> Order:
        return replace(self.order, newest_first=filters.value("ordering") == "-timestamp")


@extend_schema_view(get=extend_schema(operation_id="listEvents", summary="Events"))
class EventListView(EventsView):
    """Events in the order of their timestamps, oldest first unless `ordering=-timestamp`."""

    filterset_class = EventFilters


@extend_schema_view(get=extend_schema(operation_id="getTimeline", summary="A session's events"))
class TimelineView(EventsView):
    """One session's events, in the same order; a key reads those of its own application."""

    filterset_class = TimelineFilters

    def get(self, request: Request, **address: UUID) -> Response:
        session_or_404(request, address["id"])
        return super().get(request)

    def get_queryset(self) -> QuerySet[Event]:
        return super().get_queryset().filter(session_id=self.kwargs["id"])

    def scope(self, request: Request) -> int | None:
        is_page = isinstance(request.user, Reader) and request.user.caller is None
        return None if is_page else super().scope(request)


event_list = EventListView.as_view()


@csrf_exempt
def events(request: HttpRequest) -> HttpResponseBase:
    """Sending is the hot path and does without REST framework, which reads."""
    if request.method == "POST":
        return accept(request)
    response = event_list(request)
    if "Allow" in response:
        response["Allow"] = "GET, POST, HEAD, OPTIONS"
    return response


# What the OpenAPI document is made from.
events.cls = EventListView  # type: ignore[attr-defined]
events.initkwargs = {}  # type: ignore[attr-defined]
