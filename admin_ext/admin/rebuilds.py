"""Rebuilding all reports: who began it, how far it is, and the buttons to stop it and go on."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString

from admin_ext import display
from admin_ext.actors import actor_of
from admin_ext.confirm import asks_in_dialog
from admin_ext.kit import ModelAdmin, ReadOnlyAdmin
from reports import rebuild
from reports.models import Rebuild, SessionReport
from reports.tasks import rebuild_bell
from tracking.audit import Actor

STATES = {"running": "info", "paused": "warning", "done": "success", "cancelled": "neutral"}


def what_it_does() -> str:
    return (
        f"The workers compute every report anew, newest session first: {SessionReport.objects.count():,}. "
        "Live reports go first, and all stay readable meanwhile. You can pause it at any time."
    )


def progress(made: Rebuild) -> SafeString:
    return format_html(
        '<progress class="eye-progress" max="100" value="{0}" aria-label="Progress">{0} %</progress> '
        "{0} %",
        made.percent,
    )


def change(request: HttpRequest, work: Callable[[Actor], Rebuild]) -> str:
    """To the page of the rebuild that it is about, or with the reason to the list of them."""
    try:
        made = work(actor_of(request))
    except rebuild.Conflict as conflict:
        messages.error(request, str(conflict))
        return reverse("admin:reports_rebuild_changelist")
    rebuild_bell.ring()
    return reverse("admin:reports_rebuild_change", args=[made.pk])


class MayRebuild(ModelAdmin):
    """For lists that offer to rebuild all reports."""

    actions_list = ("rebuild_all",)

    def has_rebuild_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("reports.rebuild_sessionreport")

    @asks_in_dialog(
        "Rebuild all reports?",
        lazy(what_it_does, str)(),
        "Rebuild all",
        permission="rebuild",
        icon="autorenew",
    )
    def rebuild_all(self, request: HttpRequest) -> str:
        return change(request, rebuild.begin)


COLUMNS = (
    display.status("state", "state", STATES),
    display.column(progress, "progress", "progress"),
    display.figure("total", "reports"),
    display.figure("done", "built"),
    display.figure("failed", "failed"),
    display.figure("skipped", "final, as they were"),
    display.words("reason", "reason"),
    display.words("started_by", "by", 40),
    display.time("started_at", "started"),
    display.time("updated_at", "last progress"),
    display.time("finished_at", "finished"),
)


@admin.register(Rebuild)
class RebuildAdmin(MayRebuild, ReadOnlyAdmin):
    empty_hint = "After an update that computes reports in another way, this is done by itself."
    list_display = (
        display.column(lambda made: f"{made.pk}", "id", "number"),
        *COLUMNS,
    )
    fields = (display.words("version", "algorithm"), *COLUMNS[6:])
    readonly_fields = fields
    actions_detail = ("pause", "resume", "cancel")
    change_form_before_template = "admin/reports/rebuild/progress.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Its page asks how far it is; once it is over, all of the page is another one."""
        response = super().render_change_form(request, context, *args, **kwargs)
        if "HX-Request" in request.headers and context["original"].finished_at:
            response["HX-Refresh"] = "true"
        return response

    @asks_in_dialog(
        "Pause the rebuild?",
        "It goes on from there when you resume it.",
        "Pause",
        permission="rebuild",
        icon="pause",
        when=lambda made: made.state == "running",
    )
    def pause(self, request: HttpRequest, made: Rebuild) -> str:
        return change(request, partial(rebuild.pause, pk=made.pk))

    @asks_in_dialog(
        "Resume the rebuild?",
        "It goes on from where it was paused.",
        "Resume",
        permission="rebuild",
        icon="play_arrow",
        when=lambda made: made.state == "paused",
    )
    def resume(self, request: HttpRequest, made: Rebuild) -> str:
        return change(request, partial(rebuild.resume, pk=made.pk))

    @asks_in_dialog(
        "Cancel the rebuild?",
        "What was built stays. It does not go on.",
        "Cancel rebuild",
        permission="rebuild",
        icon="cancel",
        when=lambda made: made.finished_at is None,
    )
    def cancel(self, request: HttpRequest, made: Rebuild) -> str:
        return change(request, partial(rebuild.cancel, pk=made.pk))
