"""GET /heatmap."""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import heatmap_picture, heatmaps, shapes
from reports.heat import CLICK, COLUMNS, MOST_TEXT, MOVE
from reports.models import Heat
from reports.rollup_api import Bound, application_of, period_of
from reports.sketch import Ints
from reports.trail_api import FORMATS, LEAST_WIDTH, MOST_WIDTH, PNG, WIDTH, format_of, number_of
from tracking.api.errors import ApiError
from tracking.api.filters import Filter, FilterBackend, Filters, Text

UTC = ZoneInfo("UTC")
KINDS = (MOVE, CLICK)


class Page(Filter):
    read = staticmethod(lambda text: None if "\0" in text or len(text) > MOST_TEXT else text)
    needed = f"a page's path of at most {MOST_TEXT} characters"
    schema = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT, "pattern": r"^[^\u0000]*$"}


class Kind(Filter):
    read = staticmethod(lambda text: text if text in KINDS else None)
    needed = "move or click"
    schema = {"type": "string", "enum": [*KINDS], "default": MOVE}


class Format(Filter):
    read = staticmethod(lambda text: text if text in FORMATS else None)
    needed = "json or png"
    schema = {"type": "string", "enum": [*FORMATS]}


class Width(Filter):
    read = staticmethod(lambda text: text)
    needed = "a whole number"
    schema = {
        "type": "integer",
        "minimum": LEAST_WIDTH,
        "maximum": MOST_WIDTH,
        "default": WIDTH,
    }


class Asked(Filters):
    """Of what. (`from` is a word of Python's, and no attribute can have that name.)"""

    others: tuple[str, ...] = ()

    application = Text("application")
    page = Page("page")
    kind = Kind("kind")
    vars()["from"] = Bound("from")
    to = Bound("to")
    format = Format("format")
    width = Width("width")


class HeatmapView(APIView):
    """Where on a page the pointers were, or clicked, in a period; without a page, which there are.

    The period is made whole hours. A picture comes with `format=png`, and where `Accept` begins with
    `image/png`.
    """

    staff_permission = "reports.view_sessionreport"
    filter_backends = [FilterBackend]
    filterset_class = Asked

    @extend_schema(
        operation_id="getHeatmap",
        summary="Where on a page the pointers were, or clicked",
        tags=["reports"],
        filters=True,
        responses={
            (200, "application/json"): shapes.HEATMAP,
            (200, PNG): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request) -> HttpResponse | Response:
        given = FilterBackend().filters_of(request, Heat.objects.none(), self).applied
        width = number_of(request, "width", WIDTH, LEAST_WIDTH, MOST_WIDTH)
        as_picture = format_of(request) == "png"
        application = application_of(request, given.get("application"))
        if application is None:
            message = "application: name the one whose pages are meant, by its name or its id."
            raise ApiError("bad_value", message, "application")
        period = heatmaps.whole_hours(*period_of(given, UTC))
        asked = heatmaps.Asked(application, given.get("kind") or MOVE, period)
        page = given.get("page")
        answer = {"application": application, "from": period.start, "to": period.end}
        answer |= {"kind": asked.kind}
        if page is None:
            if request.query_params.get("format") == "png":
                message = (
                    "page: name the one that the picture is of; without format=png they are listed."
                )
                raise ApiError("bad_value", message, "page")
            found = [{"page": path, "total": total} for path, total in heatmaps.pages(asked)]
            return Response(answer | {"pages": found})
        counts = heatmaps.counts(asked, page)
        headers = {"Vary": "Accept"}
        if as_picture:
            return HttpResponse(heatmap_picture.png(counts, width), PNG, headers=headers)
        return Response(answer | {"page": page} | shown(counts), headers=headers)


def shown(counts: Ints) -> dict[str, Any]:
    row, column = np.nonzero(counts)
    bins = np.stack((column, row, counts[row, column]), 1)
    return {
        "columns": COLUMNS,
        "rows": len(counts),
        "total": int(counts.sum()),
        "max": int(counts.max()),
        "bins": bins.tolist(),
    }
