"""GET /errors: what was wrong with events, and with which."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import RetrieveAPIView

from tracking.api.auth import own_application
from tracking.api.filters import Filters, Moment, OfApplication, Text, Uuid, YesNo
from tracking.api.lists import ListView
from tracking.api.pagination import Order
from tracking.api.serializers import ErrorDetailSerializer, ErrorSerializer
from tracking.models import EventError


class Resolved(YesNo):
    def of(self, rows: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return rows.filter(resolved_at__isnull=not value)


class ErrorFilters(Filters):
    application = OfApplication()
    code = Text("code")
    field = Text("field")
    receipt = Uuid("receipt_id")
    session = session_id = session__id = Uuid("session_id")
    category = Text("category")
    name = Text("name")
    resolved = Resolved("resolved_at")
    created_at_after = created_at__gte = created_at_gte = Moment("created_at", "gte")
    created_at_before = created_at__lte = created_at_lte = Moment("created_at", "lte")


@extend_schema_view(
    get=extend_schema(operation_id="listErrors", summary="Wrong fields of rejected events")
)
class ErrorListView(ListView):
    """Wrong fields of rejected events, newest first."""

    queryset = EventError.objects.prefetch_related("application")
    serializer_class = ErrorSerializer
    filterset_class = ErrorFilters
    staff_permission = "tracking.view_eventerror"
    order = Order("created_at")


@extend_schema_view(
    get=extend_schema(operation_id="getError", summary="A wrong field, with its event")
)
class ErrorView(RetrieveAPIView[EventError]):
    """One wrong field, with the whole event as it was sent."""

    queryset = EventError.objects.select_related("application", "event")
    serializer_class = ErrorDetailSerializer
    lookup_field = "id"
    staff_permission = "tracking.view_eventerror"

    def get_queryset(self) -> QuerySet[EventError]:
        errors = super().get_queryset()
        own = own_application(self.request)
        return errors if own is None else errors.filter(application_id=own)
