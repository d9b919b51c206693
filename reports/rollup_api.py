"""GET /rollups."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import rollups, shapes
from reports.models import Rollup
from reports.periods import STEPS, zone_named
from reports.rollups import BEGINNING, Totals
from tracking.api.auth import own_application
from tracking.api.errors import ApiError
from tracking.api.filters import (
    Filter,
    FilterBackend,
    Filters,
    Text,
    applications_named,
    moment,
    with_plus,
)

END = datetime(2100, 1, 1, tzinfo=UTC)
MOST_BUCKETS = 5_000
# Where nothing else is asked for.
PERIOD = timedelta(days=1)
STEP, ZONE = "hour", "UTC"


def moment_or_wall_time(text: str) -> datetime | None:
    """Aware UTC; without a zone where it has none, and is meant in the zone that is asked for."""
    found = moment(text)
    if found is None or not BEGINNING <= found <= END:
        return None
    return found if datetime.fromisoformat(with_plus(text)).tzinfo else found.replace(tzinfo=None)


class Bound(Filter):
    read = staticmethod(moment_or_wall_time)
    needed = (
        "a date or time in ISO 8601, like 2026-01-31 or 2026-01-31T12:00:00Z, from 2000 to 2099,"
    )
    schema = {"type": "string", "format": "date-time"}


class Step(Filter):
    read = staticmethod(lambda text: text if text in STEPS else None)
    needed = "minute, hour or day"
    schema = {"type": "string", "enum": [*STEPS], "default": STEP}


class Zone(Filter):
    read = staticmethod(zone_named)
    needed = "the name of a time zone, like Europe/Berlin,"
    schema = {"type": "string", "default": ZONE}


class Asked(Filters):
    """What is summed up. (`from` is a word of Python's, and no attribute can have that name.)"""

    others: tuple[str, ...] = ()

    application = Text("application")
    vars()["from"] = Bound("from")
    to = Bound("to")
    step = Step("step")
    zone = Zone("zone")


class RollupsView(APIView):
    """Sums over all sessions of a period, and of each minute, hour or day in it."""

    staff_permission = "reports.view_sessionreport"
    filter_backends = [FilterBackend]
    filterset_class = Asked

    @extend_schema(
        operation_id="getRollups",
        summary="Sums over sessions, by minute, hour or day",
        tags=["reports"],
        filters=True,
        responses={200: shapes.ROLLUPS},
    )
    def get(self, request: Request) -> Response:
        asked = FilterBackend().filters_of(request, Rollup.objects.none(), self).applied
        zone: ZoneInfo = asked.get("zone") or ZoneInfo(ZONE)
        step: str = asked.get("step") or STEP
        application = application_of(request, asked.get("application"))
        start, end = period_of(asked, zone)
        if (end - start) / STEPS[step] > MOST_BUCKETS:
            message = f"That is more than {MOST_BUCKETS:,} buckets: choose a longer step, or a shorter period."
            raise ApiError("bad_value", message, "step")
        try:
            series = rollups.series(application, start, end, step, zone)
        except rollups.TooMuch:
            message = (
                f"In this zone that is more than {rollups.MOST_ROWS:,} sums to add up: choose a longer "
                "step, or a shorter period."
            )
            raise ApiError("bad_value", message, "step") from None
        whole = rollups.totals(application, start, end)
        return Response(
            {
                "from": whole.start,
                "to": whole.end,
                "step": step,
                "zone": zone.key,
                "application": application,
                "totals": shown(whole),
                "buckets": [*map(shown, series)],
            }
        )


def period_of(asked: dict[str, Any], zone: ZoneInfo) -> tuple[datetime, datetime]:
    def bound(name: str) -> datetime | None:
        found: datetime | None = asked.get(name)
        if found is None or found.tzinfo:
            return found
        return found.replace(tzinfo=zone).astimezone(UTC)

    end = bound("to") or now()
    start = bound("from") or end - PERIOD
    if start >= end:
        raise ApiError("bad_value", "to: a time after from is needed.", "to")
    return start, end


def application_of(request: Request, named: str | None) -> int | None:
    """A key's own; for staff, the one that is named by its id or name, or None for all."""
    if named is None:
        return own_application(request)
    found = applications_named(named, request)
    if not found:
        message = f"application: there is no application {named!r}. Give its name or its id."
        raise ApiError("bad_value", message, "application")
    return min(found, key=lambda id: str(id) != named)


def shown(totals: Totals) -> dict[str, Any]:
    columns = asdict(totals)
    return {"from": columns.pop("start"), "to": columns.pop("end"), **columns}
