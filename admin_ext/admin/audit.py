from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from admin_ext import display, filters
from admin_ext.kit import ReadOnlyAdmin
from tracking.models import AuditEntry


def details(entry: Any) -> SafeString:
    told = (f"{name.replace('_', ' ')}: {value}" for name, value in entry.details.items())
    return display.plain(", ".join(told) or display.EMPTY, 80)


def action(entry: Any) -> SafeString:
    return display.badge(entry.get_action_display(), "neutral")


class ActionFilter(filters.Choice):
    title = "what"
    parameter_name = "action"
    choices_of = {str(value): str(label) for value, label in AuditEntry.Action.choices}


COLUMNS = (
    display.time("at", "time"),
    display.column(action, "action", "what"),
    display.words("actor", "who", 80),
    display.words("target", "which", 40),
)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    empty_hint = "Nothing that is stored has been changed, removed or exported by hand."
    list_display = (
        *COLUMNS,
        display.words("address", "from", 45),
        display.column(details, "details", "details"),
    )
    list_filter = (ActionFilter,)
    fields = (
        *COLUMNS,
        display.words("address", "from"),
        display.column(lambda entry: display.pretty(entry.details), "details", "details"),
    )
    readonly_fields = fields
