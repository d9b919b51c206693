"""Lists as staff want to see them again: saved by each for himself, or for everybody."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Case, Q, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.timezone import now

from admin_ext.models import SavedView

# Of one user in one list.
MOST = 50
SHOWN = ("name", "query", "shared", "owner__username")
# Where in a list somebody is, is no part of it.
PAGE = "p"


class SaveForm(forms.Form):
    name = forms.CharField(max_length=60)
    shared = forms.BooleanField(required=False)


@dataclass
class Views:
    """What a user sees above a list that shows `query` right now."""

    user: Any
    page: str
    query: str
    can_show: Callable[[str], bool]

    @cached_property
    def known(self) -> list[SavedView]:
        """One's own, then what others share; by name."""
        views = SavedView.objects.filter(Q(owner=self.user) | Q(shared=True), page=self.page)
        ranked = views.order_by(Case(When(owner=self.user, then=0), default=1), "name", "pk")
        return list(ranked.select_related("owner").only(*SHOWN)[: 2 * MOST])

    @cached_property
    def all(self) -> list[SavedView]:
        """Without those that ask for what is not the user's to see, or is no more."""
        return [view for view in self.known if self.can_show(view.query)]

    @property
    def removable(self) -> list[SavedView]:
        return [view for view in self.known if self._is_own(view) or self.user.is_superuser]

    @property
    def current(self) -> SavedView | None:
        return next((view for view in self.all if view.query == self.query), None)

    @property
    def current_own(self) -> SavedView | None:
        return self.current if self.current and self._is_own(self.current) else None

    def _is_own(self, view: SavedView) -> bool:
        return bool(view.owner_id == self.user.pk)


def save(
    request: HttpRequest, page: str, asked: QueryDict, where: str, can_show: Callable[[str], bool]
) -> HttpResponse:
    """The list whose address is `where` with what is asked of it."""
    query = query_of(asked)
    form = SaveForm(request.POST)
    mine = SavedView.objects.filter(owner_id=request.user.pk, page=page)
    if not can_show(query):
        messages.error(request, "Not saved: this list has no such filter. Open it anew.")
        return HttpResponseRedirect(where)
    if not form.is_valid():
        messages.error(request, "Not saved: give the view a name of at most 60 characters.")
    elif len(query) > SavedView.MOST_QUERY:
        messages.error(request, "Not saved: these are more filters than a view can keep.")
    elif mine.exclude(name=form.cleaned_data["name"]).count() >= MOST:
        messages.error(request, f"Not saved: you have {MOST} views of this list. Delete one first.")
    else:
        name, shared = form.cleaned_data["name"], form.cleaned_data["shared"]
        kept = {"query": query, "shared": shared, "saved_at": now()}
        mine.update_or_create(owner_id=request.user.pk, page=page, name=name, defaults=kept)
        messages.success(request, "The view is saved: you find it above the list.")
    return HttpResponseRedirect(f"{where}?{query}")


def forget(request: HttpRequest, page: str, id: int, where: str) -> HttpResponse:
    """Raises `Http404` for what is not the user's own, nor a superuser's to tidy up."""
    views = SavedView.objects.filter(pk=id, page=page)
    may = Q(owner_id=request.user.pk)
    if request.user.is_superuser:
        may |= Q(shared=True)
    deleted, _ = views.filter(may).delete()
    if not deleted:
        raise Http404
    messages.success(request, "The view is deleted. What it showed is unchanged.")
    return HttpResponseRedirect(where)


def query_of(asked: QueryDict) -> str:
    """What the list shows, however its address puts it."""
    query = asked.copy()
    query.pop(PAGE, None)
    return "&".join(sorted(query.urlencode().split("&")))
