"""The zone in which the admin tells times: that of the browser, which `zone.js` puts into a cookie."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.timezone import get_current_timezone_name, localtime, override

from admin_ext.middleware import in_admin
from reports.periods import zone_named

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Base = ModelAdmin[Any]
else:
    Base = object

COOKIE = "eye_zone"
# Within these every zone can tell a time; what lies at the ends of the calendar has none in some.
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


class AdminZoneMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not in_admin(request):
            return self.get_response(request)
        with override(zone_of(request)):
            return self.get_response(request)


def zone_of(request: HttpRequest) -> ZoneInfo:
    """UTC where the browser has not said, or says something that is no zone."""
    return zone_named(request.COOKIES.get(COOKIE, "")) or ZoneInfo("UTC")


class ZonedForms(Base):
    """Times that are typed are meant in the viewer's zone, and the form says so."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, models.DateTimeField) and field:
            field.help_text = f"{field.help_text} In {zone_in_words()}.".strip()
            field.validators.append(is_in_every_calendar)
        return field


def zone_in_words() -> str:
    """`UTC`, or like `Europe/Vienna, now UTC+02:00`."""
    name = get_current_timezone_name()
    return name if name == "UTC" else f"{name}, now {offset_of(localtime())}"


def offset_of(local: datetime) -> str:
    """Like `UTC+02:00`."""
    return f"UTC{local:%:z}"


def is_in_every_calendar(value: datetime) -> None:
    if not FIRST <= value < LAST:
        raise ValidationError("Choose a time from 1900 to 2999.")
