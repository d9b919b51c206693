"""Trying rejected events again, as an action on their errors; a task that a page then follows."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, dialog
from admin_ext.kit import ModelAdmin, action
from admin_ext.queued import complain, followed_at
from tracking.models import EventType
from tracking.nudge import BrokerAway, publish
from tracking.tasks import asked_for, reprocess

WHAT_IT_DOES = (
    "A worker validates these events as they were sent, by the schemas of now. What is right is "
    "stored and its errors are marked resolved; what is still wrong stays here."
)
LIST = "admin:tracking_eventerror_changelist"
REPROCESS = Question(
    "Reprocess the events of",
    "error",
    "errors",
    WHAT_IT_DOES,
    nothing="These errors are resolved already.",
    which=lambda errors: errors.filter(resolved_at=None),
)


def queue(request: HttpRequest, filters: dict[str, Any]) -> str | None:
    """Queues one task for the open errors that `filters` names; where to follow it."""
    try:
        tasks = [publish(reprocess, asked_for(filters, actor_of(request)))]
    except BrokerAway:
        tasks = []
    complain(request, len(tasks), 1)
    return followed_at(request, tasks)


class MayReprocess(ModelAdmin):
    def has_reprocess_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may = request.user.has_perm("tracking.reprocess_eventerror")
        return may and self.has_view_permission(request)


class ReprocessType(MayReprocess):
    """For the page of an event type, whose schema may just have been mended."""

    actions_detail = ("reprocess_type",)

    @action(
        description="Reprocess rejected events",
        permissions=["reprocess"],
        icon="refresh",
        dialog=dialog("Reprocess the rejected events of this type?", WHAT_IT_DOES, "Reprocess"),
    )
    def reprocess_type(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        event_type = get_object_or_404(EventType, pk=int(object_id) if object_id.isdecimal() else 0)
        filters: dict[str, Any] = {"category": event_type.category, "name": event_type.name}
        if event_type.application_id:
            filters["application"] = event_type.application_id
        back = reverse("admin:tracking_eventtype_change", args=[event_type.pk])
        return HttpResponse(headers={"HX-Redirect": queue(request, filters) or back})


class ReprocessActions(MayReprocess):
    """For the list of event errors."""

    actions = ("reprocess_selected",)
    actions_list = ("reprocess_all",)
    actions_detail = ("reprocess_one",)

    @asks_first(REPROCESS, permission="reprocess")
    def reprocess_selected(self, request: HttpRequest, ids: list[int]) -> HttpResponse | None:
        where = queue(request, {"errors": ids})
        return HttpResponseRedirect(where) if where else None

    @action(
        description="Reprocess",
        permissions=["reprocess"],
        icon="refresh",
        dialog=dialog("Reprocess this event?", WHAT_IT_DOES, "Reprocess"),
    )
    def reprocess_one(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        ids = [int(object_id)] if object_id.isdecimal() else []
        return self._redirect(queue(request, {"errors": ids}))

    @action(
        description="Reprocess all",
        permissions=["reprocess"],
        icon="refresh",
        dialog=dialog("Reprocess the events of all open errors?", WHAT_IT_DOES, "Reprocess all"),
    )
    def reprocess_all(self, request: HttpRequest, form: Any) -> HttpResponse:
        return self._redirect(queue(request, {}))

    def _redirect(self, where: str | None) -> HttpResponse:
        return HttpResponse(headers={"HX-Redirect": where or reverse(LIST)})
