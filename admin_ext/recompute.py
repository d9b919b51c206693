"""Recomputing reports by hand: one task a session, whose fate a page then follows."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest

from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.kit import ModelAdmin
from admin_ext.queued import MOST_AT_ONCE, complain, followed_at, queue_each
from reports.builder import EventsExpired, refuse_expired
from reports.models import WHY_FINAL, SessionReport
from reports.tasks import ask_to_recompute
from tracking.models import Session

WHAT_IT_DOES = (
    "A worker reads all events of the session again and computes the report anew. "
    "The report stays readable meanwhile."
)

RECOMPUTE = Question("Recompute", "report", "reports", WHAT_IT_DOES, most=MOST_AT_ONCE)


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


def queue(request: HttpRequest, session_ids: Iterable[UUID]) -> str | None:
    """Where to follow the tasks, if there are any."""
    possible, actor = still_possible(request, session_ids), actor_of(request)
    tasks = queue_each(lambda id: ask_to_recompute(id, actor), possible)
    complain(request, len(tasks), len(possible))
    return followed_at(request, tasks)


class RecomputeActions(ModelAdmin):
    """For a ModelAdmin whose primary key is a session's id."""

    actions: tuple[str, ...] = ("recompute_selected",)
    actions_detail: tuple[str, ...] = ("recompute_one",)

    def has_recompute_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may = request.user.has_perm("reports.recompute_sessionreport")
        return may and self.has_view_permission(request)

    @asks_first(RECOMPUTE, permission="recompute")
    def recompute_selected(self, request: HttpRequest, ids: list[UUID]) -> str | None:
        return queue(request, ids)

    @asks_in_dialog(
        "Recompute this report?",
        WHAT_IT_DOES,
        "Recompute report",
        permission="recompute",
        icon="refresh",
    )
    def recompute_one(self, request: HttpRequest, record: Session | SessionReport) -> str | None:
        return queue(request, [record.pk])
