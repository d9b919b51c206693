import json
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from admin_ext import display
from admin_ext.kit import ReadOnlyAdmin
from tracking.models import AuditEntry


def details(entry: Any) -> SafeString:
    return display.plain(json.dumps(entry.details) if entry.details else display.EMPTY, 120)


def action(entry: Any) -> SafeString:
    return display.badge(entry.get_action_display(), "neutral")


COLUMNS = (
    display.time("at", "time (UTC)"),
    display.column(action, "action", "what"),
    display.words("actor", "who", 80),
    display.words("target", "which", 40),
)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    empty_hint = "Nothing that was stored has been changed or removed by hand."
    list_display = (*COLUMNS, display.column(details, "details", "details"))
    fields = (
        *COLUMNS,
        display.words("address", "from"),
        display.column(lambda entry: display.pretty(entry.details), "details", "details"),
    )
    readonly_fields = fields
