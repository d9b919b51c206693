"""Lists as staff want to see them again: saved by each for himself, or for everybody."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
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

    @cached_property
    def all(self) -> list[SavedView]:
        """One's own, then what others share; by name."""
        views = SavedView.objects.filter(Q(owner=self.user) | Q(shared=True), page=self.page)
        found = list(views.select_related("owner").only(*SHOWN).order_by("name", "pk")[: 2 * MOST])
        return sorted(found, key=lambda view: view.owner_id != self.user.pk)

    @property
    def current(self) -> SavedView | None:
        return next((view for view in self.all if view.query == self.query), None)


def save(request: HttpRequest, page: str, where: str) -> HttpResponse:
    """The list whose address has this request's query."""
    query = query_of(request)
    form = SaveForm(request.POST)
    mine = SavedView.objects.filter(owner_id=request.user.pk, page=page)
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
    """Raises `Http404` for what is not the user's own."""
    deleted, _ = SavedView.objects.filter(pk=id, owner_id=request.user.pk, page=page).delete()
    if not deleted:
        raise Http404
    messages.success(request, "The view is deleted. What it showed is unchanged.")
    return HttpResponseRedirect(where)


def query_of(request: HttpRequest) -> str:
    """What the list shows, whatever its address is like."""
    query = request.GET.copy()
    query.pop(PAGE, None)
    return "&".join(sorted(query.urlencode().split("&")))
