"""What the page of an event type shows beside its form: its versions, and what was tried."""

from typing import Any

from django.db import OperationalError
from django.urls import reverse

from admin_ext import display
from admin_ext.schema_form import written
from tracking.models import EventType
from tracking.try_out import try_out

MOST_VERSIONS = 50


def versions(event_type: EventType | None) -> list[dict[str, Any]]:
    """The versions of a type, newest first, as its page shows them."""
    if event_type is None:
        return []
    return [
        {
            "number": version.number,
            "by": version.created_by or "the service",
            "at": display.moment(version.created_at),
            "schema": display.block(written(version.schema)),
            "again": reverse(
                "admin:tracking_eventtype_again", args=[event_type.pk, version.number]
            ),
        }
        for version in event_type.versions.select_related("created_by")[:MOST_VERSIONS]
    ]


def tried(fields: dict[str, Any]) -> dict[str, Any]:
    owner = fields["application"]
    try:
        result = try_out(
            fields["schema"], owner.pk if owner else None, fields["category"], fields["name"]
        )
    except OperationalError:  # its patience is bounded
        return {"gave_up": True}
    return {"result": result}
