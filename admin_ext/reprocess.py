"""Trying rejected events again, as an action on their errors; a task that a page then follows."""

from typing import Any

from django.db.models import F, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.functional import lazy

from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.kit import ModelAdmin
from admin_ext.queued import complain, followed_at
from tracking.models import ErrorGroup, EventError, EventType
from tracking.nudge import BrokerAway, publish
from tracking.tasks import asked_for, reprocess

WHAT_IT_DOES = (
    "A worker validates these events as they were sent, by the schemas of now. What is right is "
    "stored and its errors are marked resolved; what is still wrong stays here."
)
REPROCESS = Question(
    "Reprocess the events of",
    "error",
    "errors",
    WHAT_IT_DOES,
    nothing="These errors are resolved already.",
    which=lambda errors: errors.filter(resolved_at=None),
)


def what_all_of_it_does() -> str:
    open_errors = F("errors") - F("resolved")
    count = ErrorGroup.objects.aggregate(count=Coalesce(Sum(open_errors), 0))["count"]
    return f"All that are open, {count:,} by now, whatever the list shows. {WHAT_IT_DOES}"


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

    @asks_in_dialog(
        "Reprocess the rejected events of this type?",
        WHAT_IT_DOES,
        "Reprocess rejected events",
        permission="reprocess",
        icon="refresh",
    )
    def reprocess_type(self, request: HttpRequest, event_type: EventType) -> str | None:
        filters: dict[str, Any] = {"category": event_type.category, "name": event_type.name}
        if event_type.application_id:
            filters["application"] = event_type.application_id
        return queue(request, filters)


class ReprocessActions(MayReprocess):
    """For the list of event errors."""

    actions = ("reprocess_selected",)
    actions_list = ("reprocess_all",)
    actions_detail = ("reprocess_one",)

    @asks_first(REPROCESS, permission="reprocess")
    def reprocess_selected(self, request: HttpRequest, ids: list[int]) -> str | None:
        return queue(request, {"errors": ids})

    @asks_in_dialog(
        "Reprocess this event?",
        WHAT_IT_DOES,
        "Reprocess",
        permission="reprocess",
        icon="refresh",
        when=lambda error: error.resolved_at is None,
    )
    def reprocess_one(self, request: HttpRequest, error: EventError) -> str | None:
        return queue(request, {"errors": [error.pk]})

    @asks_in_dialog(
        "Reprocess the events of all open errors?",
        lazy(what_all_of_it_does, str)(),
        "Reprocess all open errors",
        permission="reprocess",
        icon="refresh",
    )
    def reprocess_all(self, request: HttpRequest) -> str | None:
        return queue(request, {})
