"""Reports as files that are safe to open in a spreadsheet.

All that the list shows, of any length, streams from the database as CSV. Some columns of some rows
are made in memory, as CSV or XLSX, and are limited.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from import_export.admin import ExportActionMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.resources import ModelResource
from unfold.contrib.import_export.forms import SelectableFieldsExportForm

from admin_ext.actors import actor_of
from admin_ext.filters import uuid_of
from reports import export
from reports.models import SessionReport
from tracking import audit
from tracking.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

# The file is made in memory, in the request.
MOST_ROWS = 50_000
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def cell(value: Any) -> Any:
    """A number as it is; anything else as text that no spreadsheet takes for a formula."""
    match value:
        case None:
            return ""
        case bool() | int() | float():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case list() | tuple():
            text = ", ".join(map(str, value))
        case dict():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


class SafeCSV(CSV):  # type: ignore[misc]
    def export_data(self, dataset: Any, **kwargs: Any) -> str:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(dataset.headers)
        writer.writerows([cell(value) for value in row] for row in dataset)
        return file.getvalue()


class SafeXLSX(XLSX):  # type: ignore[misc]
    def export_data(self, dataset: Any, **kwargs: Any) -> bytes:
        """Row by row: a workbook in memory would take some hundred bytes a cell."""
        from openpyxl import Workbook  # ten megabytes that most processes never need

        book = Workbook(write_only=True)
        sheet = book.create_sheet("reports")
        for row in (dataset.headers, *dataset):
            sheet.append([None if value is None else printable(cell(value)) for value in row])
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()


def printable(value: Any) -> Any:
    """Without the controls that XML cannot have."""
    return CONTROLS.sub("", value) if isinstance(value, str) else value


class ReportResource(ModelResource):  # type: ignore[misc]
    applications = Field(column_name="applications")

    class Meta:
        model = SessionReport
        exclude = ("state", "application_ids", "build", "anew_build", "by_name", "other_kinds")
        export_order = ("session", "applications", "started_at", "ended_at")

    def filter_export(
        self, queryset: QuerySet[SessionReport], **kwargs: Any
    ) -> QuerySet[SessionReport]:
        return (
            queryset.select_related(None)
            .select_related("session")
            .defer(None)
            .defer("state", "by_name")
            .prefetch_related("session__applications")
        )

    def iter_queryset(self, queryset: QuerySet[SessionReport]) -> Iterator[SessionReport]:
        """One query in the list's order; the library's pages cost an OFFSET each."""
        return queryset.iterator(chunk_size=2_000)

    def export_field(self, field: Any, instance: SessionReport, **kwargs: Any) -> Any:
        """The value itself: numbers stay numbers, and the format writes the text."""
        if field.column_name == "applications":
            return [application.name for application in instance.session.applications.all()]
        return instance.pk if field.attribute == "session" else getattr(instance, field.attribute)


class SafeExport(ExportActionMixin, Base):  # type: ignore[misc]
    """Export of all that the filters leave, or of what is selected. Needs the view permission."""

    import_export_change_list_template = "admin/reports/sessionreport/exports.html"
    export_formats = [SafeCSV, SafeXLSX]
    export_form_class = SelectableFieldsExportForm
    show_change_form_export = False
    change_form_template = None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_all)
        urls: list[URLPattern] = super().get_urls()
        return [path("export-all/", view, name="reports_sessionreport_export_all"), *urls]

    def export_all(self, request: HttpRequest) -> StreamingHttpResponse:
        """Every row that the filters leave, with the columns of the list."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        rows = self.get_export_queryset(request)
        columns: Any = self.get_list_display(request)
        names = [name for column in columns if (name := column.__name__) in export.EVERYTHING]
        answer = export.answer(lambda after: rows.filter(pk__gt=after), names)
        self.note(request, "csv")
        return answer

    def note(self, request: HttpRequest, format: str, **details: Any) -> None:
        """What was exported, by its filters: it may be any number of sessions."""
        filters = request.GET.urlencode()
        exported = AuditEntry.Action.EXPORTED
        audit.record(actor_of(request), exported, format, filters=filters, **details)

    def get_export_formats(self) -> list[type[CSV]]:
        return self.export_formats

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any
    ) -> Any:
        # Ids alone, up to one too many: counting all of them would read the table.
        rows = queryset.order_by().values("pk")[: MOST_ROWS + 1].count()
        if rows > MOST_ROWS:
            raise ValueError(
                f"More than {MOST_ROWS:,} rows are too many for one file of this kind. Press "
                "“Export all as CSV” in the list to get all of them; or narrow the list down with "
                "its filters, by period for example, and export it in parts."
            )
        data = super().get_export_data(file_format, request, queryset, **kwargs)
        self.note(request, file_format.get_extension(), rows=rows)
        return data

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[str]:
        """What was selected, so far as it is an id at all; the query finds which of them exist."""
        return [id for id in request.POST.getlist("export_items") if uuid_of(id)]

    def export_admin_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        if request.POST.get("select_across") == "1":
            url = reverse("admin:reports_sessionreport_export_all", query=request.GET)
            return HttpResponseRedirect(url)
        response: HttpResponse = super().export_admin_action(request, queryset)
        return response
