"""Erasing sessions by hand: one task a session, whose fate a page then follows."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.kit import ModelAdmin
from admin_ext.queued import MOST_AT_ONCE, complain, followed_at, queue_each
from tracking.models import Session
from tracking.nudge import publish
from tracking.tasks import erase

WHAT_IT_DOES = (
    "Its events, errors, report and trail are removed for good, whichever application sent them, and "
    "it takes no more events. The sums of its time no longer count it. That it was erased, and by "
    "whom, stays in the audit list."
)
ERASE = Question("Erase", "session", "sessions", WHAT_IT_DOES, most=MOST_AT_ONCE)
LIST = "admin:tracking_session_changelist"


def queue(request: HttpRequest, session_ids: list[UUID]) -> str | None:
    """Where to follow the tasks, if there are any."""
    actor = json.dumps(asdict(actor_of(request)))
    tasks = queue_each(lambda id: publish(erase, str(id), actor), session_ids)
    complain(request, len(tasks), len(session_ids))
    return followed_at(request, tasks)


class EraseActions(ModelAdmin):
    """For the list and the pages of sessions."""

    actions: tuple[str, ...] = ("erase_selected",)
    actions_detail: tuple[str, ...] = ("erase_one",)

    def has_erase_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may = request.user.has_perm("tracking.delete_session")
        return may and self.has_view_permission(request)

    @asks_first(ERASE, permission="erase")
    def erase_selected(self, request: HttpRequest, ids: list[UUID]) -> str | None:
        return queue(request, ids)

    @asks_in_dialog(
        "Erase this session?", WHAT_IT_DOES, "Erase", permission="erase", icon="delete_forever"
    )
    def erase_one(self, request: HttpRequest, session: Session) -> str:
        return queue(request, [session.pk]) or reverse(LIST)
