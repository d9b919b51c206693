"""GET /reports and /reports.csv."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from reports import export
from reports.models import SessionReport
from reports.staleness import is_current, is_stale
from tracking.api.filters import Filters, Moment, OfApplication, Uuid, YesNo
from tracking.api.lists import ListView
from tracking.api.pagination import Order
from tracking.api.sessions import of_applications
from tracking.ids import NIL


class ReportsOf(OfApplication):
    def of_applications(self, rows: QuerySet[Any], ids: list[int]) -> QuerySet[Any]:
        return rows.filter(of_applications(ids, "session_id", self.parent.after))


class Stale(YesNo):
    """Whether the session has news, or reports are made in another way now."""

    def of(self, rows: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return rows.filter(is_stale() if value else is_current())


class WithErrors(YesNo):
    def of(self, rows: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return rows.filter(errors__gt=0) if value else rows.filter(errors=0)


class ExportFilters(Filters):
    others: tuple[str, ...] = ()
    after = NIL

    application = ReportsOf("session")
    session = session_id = session__id = Uuid("session_id")
    started_at_after = started_at__gte = started_at_gte = Moment("started_at", "gte")
    started_at_before = started_at__lte = started_at_lte = Moment("started_at", "lte")
    ended_at_after = ended_at__gte = ended_at_gte = Moment("ended_at", "gte")
    ended_at_before = ended_at__lte = ended_at_lte = Moment("ended_at", "lte")
    stale = Stale("version")
    errors = WithErrors("errors")


class ReportFilters(ExportFilters):
    others = Filters.others


class ReportSerializer(serializers.ModelSerializer[SessionReport]):
    applications: "serializers.SlugRelatedField[Any]" = serializers.SlugRelatedField(
        source="session.applications", many=True, read_only=True, slug_field="name"
    )
    stale = serializers.BooleanField(read_only=True)

    class Meta:
        model = SessionReport
        exclude = ("state", "application_ids")


class ReportsView(ListView):
    after = NIL
    filterset_class: type[ExportFilters] = ReportFilters
    serializer_class = ReportSerializer
    staff_permission = "reports.view_sessionreport"

    def of_application(self, rows: QuerySet[Any], application: int) -> QuerySet[Any]:
        return rows.filter(of_applications([application], "session_id", self.after))


@extend_schema_view(get=extend_schema(operation_id="listReports", summary="Reports of sessions"))
class ReportListView(ReportsView):
    """Reports, the session that ended last first; those of sessions without events at the end."""

    queryset = (
        SessionReport.objects.defer("state")
        .select_related("session")
        .prefetch_related("session__applications")
    )
    order = Order("ended_at", "session_id", may_be_null=True)


class ReportCsvView(ReportsView):
    """All reports that the filters leave, as one CSV file, in the order of the sessions' ids."""

    queryset = SessionReport.objects.all()
    filterset_class = ExportFilters
    pagination_class = None  # type: ignore[assignment]

    @extend_schema(
        operation_id="exportReports",
        summary="Reports of sessions as CSV",
        tags=["reports"],
        filters=True,
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:  # type: ignore[override]
        return export.answer(self.rows_after)

    def rows_after(self, after: UUID) -> QuerySet[SessionReport]:
        self.after = after
        filters = self.filters(self.request)
        filters.after = after
        rows: QuerySet[SessionReport] = filters.qs
        return rows.filter(pk__gt=after)
