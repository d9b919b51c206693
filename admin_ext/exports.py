"""CSV of selected or filtered rows, safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ExportActionMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource
from unfold.contrib.import_export.forms import SelectableFieldsExportForm

from admin_ext.filters import uuid_of
from reports.models import SessionReport

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

# The file is made in memory, in the request.
MOST_ROWS = 50_000
# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
    """Export of what is selected, or of all that the filters leave. Needs the view permission."""

    export_formats = [SafeCSV]
    export_form_class = SelectableFieldsExportForm
    show_change_form_export = False
    change_form_template = None

    def get_export_formats(self) -> list[type[CSV]]:
        return self.export_formats

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any
    ) -> Any:
        # Ids alone, up to one too many: counting all of them would read the table.
        if queryset.order_by().values("pk")[: MOST_ROWS + 1].count() > MOST_ROWS:
            raise ValueError(
                f"More than {MOST_ROWS:,} rows are too many for one file. Narrow the list down "
                "with its filters, by period for example, and export it in parts."
            )
        return super().get_export_data(file_format, request, queryset, **kwargs)

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[str]:
        """What was selected, so far as it is an id at all; the query finds which of them exist."""
        return [id for id in request.POST.getlist("export_items") if uuid_of(id)]

    def export_admin_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        if request.POST.get("select_across") == "1":
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
            return HttpResponseRedirect(reverse(name, query=request.GET))
        response: HttpResponse = super().export_admin_action(request, queryset)
        return response
