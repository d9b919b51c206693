"""From a number to the list or the page behind it, filtered as far as that can be."""

from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Model
from django.urls import reverse

from admin_ext.kit import parameters_of
from admin_ext.scope import Scope
from tracking.error_groups import KEPT
from tracking.models import EventError


@dataclass(frozen=True, slots=True)
class Links:
    viewer: AbstractUser | AnonymousUser
    scope: Scope

    def of(self, model: type[Model], **query: object) -> str:
        """The model's list in this scope; empty where the viewer may not see it."""
        return self.now(model, **self.scope.span, **query)

    def now(self, model: type[Model], **query: object) -> str:
        """The same whatever the period is."""
        meta = model._meta
        if not self._sees(model):
            return ""
        filters = admin.site._registry[model].list_filter
        known = {name for one in filters for name in parameters_of(one)}
        asked = {"application": self.scope.application, **query}
        kept = {name: asked[name] for name in asked if name in known and asked[name] is not None}
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist", query=kept)

    def errors(self, **query: object) -> str:
        """The page of errors by their kinds; of what is not counted by kinds any more, the list."""
        if self.scope.now - self.scope.period.start > max(KEPT.values()):
            return self.of(EventError, **query)
        asked = {**self.scope.query, **query}
        return _page("admin:eye_errors", asked) if self._sees(EventError) else ""

    def live(self) -> str:
        """Whoever may see the dashboard may see this page."""
        return _page("admin:eye_live", {"application": self.scope.application})

    def _sees(self, model: type[Model]) -> bool:
        return self.viewer.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def _page(view: str, asked: dict[str, object]) -> str:
    return reverse(view, query={name: asked[name] for name in asked if asked[name] is not None})
