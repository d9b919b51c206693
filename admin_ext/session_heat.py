"""The heatmaps of a session, for its page."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, JsonResponse
from django.views.generic import View

from reports import session_heat
from reports.heatmap_api import shown
from reports.session_heat import Page


class SessionHeatData(PermissionRequiredMixin, View):
    """The session's pages, and moves and clicks on the one that is asked for, or on the first."""

    permission_required = ("tracking.view_session", "reports.view_sessionreport")

    def get(self, request: HttpRequest, id: UUID) -> JsonResponse:
        pages = session_heat.pages(id)
        answer: dict[str, Any] = {"pages": [page._asdict() for page in pages]}
        if pages:
            place = place_of(pages, request.GET.get("application"), request.GET.get("page"))
            counts = session_heat.counts(id, pages[place])
            answer |= {"shown": place, **{kind: shown(found) for kind, found in counts.items()}}
        return JsonResponse(answer)


def place_of(pages: list[Page], application: str | None, page: str | None) -> int:
    """Which of them it is; a page that is gone meanwhile is the first one."""
    wanted = application, page
    found = (at for at, one in enumerate(pages) if (str(one.application), one.page) == wanted)
    return next(found, 0)
