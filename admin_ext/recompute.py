"""Recomputing reports by hand: one task a session, whose fate a page then follows."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from admin_ext.confirm import ask, dialog, is_confirmed
from admin_ext.filters import uuid_of
from admin_ext.kit import ModelAdmin, action
from admin_ext.queued import complain, followed_at
from reports.builder import EventsExpired, refuse_expired
from reports.models import WHY_FINAL
from reports.tasks import recompute
from tracking.models import Session
from tracking.nudge import BrokerAway, publish

# One page of a list; each of them is a task of its own, and a line on the page that follows them.
MOST_AT_ONCE = 100
WHAT_IT_DOES = (
    "A worker reads all events of the session again and computes the report anew. "
    "The report stays readable meanwhile."
)


def still_possible(request: HttpRequest, session_ids: Iterable[UUID]) -> list[UUID]:
    """Those whose reports can be computed anew; says why the others cannot be."""
    possible, refused = [], 0
    for session_id in session_ids:
        try:
            refuse_expired(session_id)
            possible.append(session_id)
        except EventsExpired:
            refused += 1
    if refused:
        messages.warning(request, f"Not recomputed: {refused}. {WHY_FINAL}")
    return possible


def queue(session_ids: Iterable[UUID]) -> list[str]:
    """Queues one task for each session until the broker takes no more; the tasks' ids."""
    tasks = []
    for session_id in session_ids:
        try:
            tasks.append(publish(recompute, str(session_id)))
        except BrokerAway:
            break
    return tasks


class RecomputeActions(ModelAdmin):
    """For a ModelAdmin whose primary key is a session's id."""

    actions = ("recompute_selected",)
    actions_detail = ("recompute_one",)

    def has_recompute_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may = request.user.has_perm("reports.recompute_sessionreport")
        return may and self.has_view_permission(request)

    @admin.action(description="Recompute reports", permissions=["recompute"])
    def recompute_selected(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        ids = list(queryset.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) > MOST_AT_ONCE:
            text = f"At most {MOST_AT_ONCE} reports can be recomputed at once. Select fewer."
            messages.error(request, text)
            return None
        if not is_confirmed(request):
            return self._ask(request, ids)
        ids = still_possible(request, ids)
        tasks = queue(ids)
        complain(request, len(tasks), len(ids))
        where = followed_at(request, tasks)
        return HttpResponseRedirect(where) if where else None

    def _ask(self, request: HttpRequest, ids: list[UUID]) -> HttpResponse:
        count = f"{len(ids)} report{'s' if len(ids) > 1 else ''}"
        return ask(
            self,
            request,
            "recompute_selected",
            ids,
            title=f"Recompute {count}?",
            text=WHAT_IT_DOES,
            button=f"Recompute {count}",
        )

    @action(
        description="Recompute report",
        permissions=["recompute"],
        icon="refresh",
        dialog=dialog("Recompute this report?", WHAT_IT_DOES, "Recompute"),
    )
    def recompute_one(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        id = uuid_of(object_id)
        exists = id is not None and Session.objects.filter(pk=id).exists()
        ids = still_possible(request, [id]) if id and exists else []
        tasks = queue(ids) if ids else []
        complain(request, len(tasks), len(ids))
        if not exists:
            messages.error(request, "There is no such session.")
        back = reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]
        )
        return HttpResponse(headers={"HX-Redirect": followed_at(request, tasks) or back})
