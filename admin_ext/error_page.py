"""Event errors, those of one kind together; and what can be done about a kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import localtime, now
from django.views.generic import TemplateView, View
from unfold.views import UnfoldSiteViewMixin

from admin_ext import display, spans
from admin_ext import error_groups as groups
from admin_ext.actors import actor_of
from admin_ext.error_groups import Asked, Listed
from admin_ext.reprocess import WHAT_IT_DOES, queue
from admin_ext.spans import PERIODS, BadPeriod
from admin_ext.sparkline import Sparkline
from tracking import error_mutes
from tracking.models import ErrorGroup, ErrorMute, EventError
from tracking.reprocess import of_group

VIEW = "tracking.view_eventerror"
REPROCESS = "tracking.reprocess_eventerror"
MUTE = "tracking.mute_errorgroup"
DAY = timedelta(days=1)
LASTS = {
    "1": ("1 day", DAY),
    "7": ("7 days", 7 * DAY),
    "30": ("30 days", 30 * DAY),
    "ever": ("For ever", None),
}
WHAT_MUTING_DOES = (
    "Nobody sees this group here until then, unless they ask for muted ones. Its errors are counted "
    "all the same, and it can be unmuted at any time."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A group as the page shows it, with what belongs to it."""

    listed: Listed
    application: str
    example: EventError | None
    mute: ErrorMute | None
    event_type: int | None
    spark: Sparkline

    @property
    def group(self) -> ErrorGroup:
        return self.listed.group

    @property
    def open(self) -> int:
        """Of the period; all that are open may be more."""
        return self.listed.seen - self.listed.settled

    @property
    def open_ever(self) -> int:
        return self.group.errors - self.group.resolved

    @property
    def has_type(self) -> bool:
        return bool(self.group.category and self.group.name)

    @property
    def kind(self) -> SafeString:
        return display.plain(f"{self.group.category}{groups.SLASH}{self.group.name}", 120)

    @property
    def field(self) -> SafeString:
        return display.plain(self.group.field or "the event itself", 120)

    @property
    def what(self) -> str:
        """Which group a dialog is about."""
        group = self.group
        parts = [f"{group.category}{groups.SLASH}{group.name}"] if self.has_type else []
        parts += [group.field, group.code] if group.code else ["everything else"]
        return display.visible(" · ".join(part for part in parts if part))

    @property
    def message(self) -> SafeString:
        return display.plain(self.example.message if self.example else "", 200)

    @property
    def shown_value(self) -> SafeString:
        return display.plain(self.example.value if self.example else "", 60)

    @property
    def first_at(self) -> SafeString | str:
        return display.moment(self.group.first_at)

    @property
    def last_at(self) -> SafeString | str:
        return display.moment(self.group.last_at)

    @property
    def muted_until(self) -> SafeString | str:
        until = self.mute.until if self.mute else None
        return display.moment(until) if until else "for ever"

    @property
    def schema_url(self) -> str:
        return reverse("admin:tracking_eventtype_change", args=[self.event_type])

    @property
    def add_type_url(self) -> str:
        group = self.group
        known = {
            "application": group.application_id,
            "category": group.category,
            "name": group.name,
        }
        return reverse("admin:tracking_eventtype_add", query=known)

    @property
    def list_url(self) -> str:
        rest = {"application": self.group.application_id, "resolved": "no"}
        query = rest if self.group.is_rest else groups.in_list(self.group)
        return reverse("admin:tracking_eventerror_changelist", query=query)


class ErrorsPage(UnfoldSiteViewMixin, TemplateView):  # type: ignore[misc]
    title = "Errors"
    template_name = "admin/eye/errors.html"
    permission_required = VIEW

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        moment = now()
        asked, problem = asked_or_problem(self.request.GET, moment)
        shown, totals = groups.read(asked, moment)
        choices = groups.choices(asked)
        context = {
            "asked": asked,
            "problem": problem,
            "choices": choices,
            "periods": {name: PERIODS[name][0] for name in groups.STEPS},
            "orders": [(name, label) for name, (label, _) in groups.ORDERS.items()],
            "rows": rows(shown, asked, dict(choices["application"])),
            "totals": totals,
            "counted": {
                "start": display.moment(asked.counted.start),
                "end": display.moment(asked.counted.end),
            },
            "list_url": list_url(asked),
            "pages": pages(self.request.GET, asked, totals.groups),
            "all_shown": with_query(self.request.GET, resolved="shown", muted="shown"),
            "may": may(self.request),
            "lasts": [(name, label) for name, (label, _) in LASTS.items()],
            "what_it_does": WHAT_IT_DOES,
            "what_muting_does": WHAT_MUTING_DOES,
        }
        return super().get_context_data(**context, **kwargs)


def asked_or_problem(query: QueryDict, moment: datetime) -> tuple[Asked, str]:
    """Where the address names no period that can be, the usual one, and what is wrong."""
    try:
        return Asked.of(query, moment), ""
    except BadPeriod as problem:
        rest = query.copy()
        for name in spans.TYPED:
            rest.pop(name, None)
        return Asked.of(rest, moment), str(problem)


def rows(shown: list[Listed], asked: Asked, applications: Mapping[str, str]) -> list[Row]:
    theirs = [listed.group for listed in shown]
    counts = groups.counts_of(theirs, asked)
    examples, mutes = groups.examples_of(theirs), groups.mutes_of(theirs)
    types = groups.types_of(theirs)
    return [
        Row(
            listed=listed,
            application=applications.get(str(group.application_id), display.EMPTY),
            example=examples.get(group.example_id),
            mute=mutes.get(group.pk),
            event_type=groups.type_of(group, types),
            spark=sparkline(counts.get(group.pk, {}), asked.starts),
        )
        for listed, group in zip(shown, theirs, strict=True)
    ]


def sparkline(counts: groups.Counts, starts: list[datetime]) -> Sparkline:
    """All errors, and in front of them those that are open."""
    found = [counts.get(start, (0, 0)) for start in starts]
    return Sparkline(
        values=[errors for errors, _ in found],
        front=[errors - resolved for errors, resolved in found],
    )


def list_url(asked: Asked) -> str:
    """The list of single errors, narrowed down alike as far as it can be."""
    query = {"application": asked.application, "code": asked.code, **asked.span}
    known = {name: value for name, value in query.items() if value}
    return reverse("admin:tracking_eventerror_changelist", query=known)


def may(request: HttpRequest) -> dict[str, bool]:
    user = request.user
    return {
        "reprocess": user.has_perm(REPROCESS),
        "mute": user.has_perm(MUTE),
        "see_types": user.has_perm("tracking.view_eventtype"),
        "add_types": user.has_perm("tracking.add_eventtype"),
    }


def pages(query: QueryDict, asked: Asked, found: int) -> dict[str, Any]:
    last = min(max(-(-found // groups.PER_PAGE), 1), groups.MOST_PAGES)
    earlier, later = asked.page - 1, asked.page + 1
    return {
        "number": asked.page,
        "last": last,
        "earlier": with_query(query, page=str(min(earlier, last))) if earlier else "",
        "later": with_query(query, page=str(later)) if later <= last else "",
    }


def with_query(query: QueryDict, **changes: str) -> str:
    """The address of this page, with a few of its parameters set."""
    changed = query.copy()
    for name, value in changes.items():
        changed[name] = value
    return "?" + changed.urlencode()


class MuteForm(forms.Form):
    lasts = forms.ChoiceField(choices=[(name, label) for name, (label, _) in LASTS.items()])
    why = forms.CharField(max_length=200, required=False)


class GroupAction(ABC, PermissionRequiredMixin, View):
    """A button of a group: by POST alone, and back to the page as it was."""

    http_method_names = ("post",)
    admin_site: Any = None

    def post(self, request: HttpRequest, id: UUID) -> HttpResponse:
        origin = back(request)
        if group := ErrorGroup.objects.filter(pk=id).first():
            return HttpResponseRedirect(self.act(request, group) or origin)
        messages.info(request, "This group has no errors any more.")
        return HttpResponseRedirect(origin)

    @abstractmethod
    def act(self, request: HttpRequest, group: ErrorGroup) -> str | None:
        """Where to go then, if not back."""


class ReprocessGroup(GroupAction):
    permission_required = (VIEW, REPROCESS)

    def act(self, request: HttpRequest, group: ErrorGroup) -> str | None:
        if not group.is_rest:
            return queue(request, of_group(group))
        messages.error(request, "The rest are errors of many kinds: select some in their list.")
        return None


class MuteGroup(GroupAction):
    permission_required = (VIEW, MUTE)

    def act(self, request: HttpRequest, group: ErrorGroup) -> str | None:
        form = MuteForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Say for how long, and why in at most 200 characters.")
            return None
        _, lasts = LASTS[form.cleaned_data["lasts"]]
        made = error_mutes.mute(group, lasts, form.cleaned_data["why"], actor_of(request))
        until = f"until {localtime(made.until):%Y-%m-%d %H:%M}" if made.until else "for ever"
        messages.success(request, f"Muted {until}.")
        return None


class UnmuteGroup(GroupAction):
    permission_required = (VIEW, MUTE)

    def act(self, request: HttpRequest, group: ErrorGroup) -> str | None:
        error_mutes.unmute(group, actor_of(request))
        messages.success(request, "Unmuted: it is shown again.")
        return None


def back(request: HttpRequest) -> str:
    """To the page with the filters that it had; nowhere else, whatever is posted."""
    query = QueryDict(request.POST.get("query", "")[:2_000]).urlencode()
    return reverse("admin:eye_errors") + (f"?{query}" if query else "")
