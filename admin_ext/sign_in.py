"""Signing in and out: what is noted in the audit list, and when it is refused."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.signals import user_logged_out
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from admin_ext.actors import actor_of
from admin_ext.attempts import SECONDS, Attempt
from tracking import audit
from tracking.api.address import address_of
from tracking.audit import Actor
from tracking.models import AuditEntry

TOO_MANY = (
    "Too many attempts to sign in with this name, or from this address. "
    f"Try again in {SECONDS // 60} minutes. Whoever forgot the password asks an administrator for a "
    "new one."
)


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if not name or not self.cleaned_data.get("password"):
            cleaned: dict[str, Any] = super().clean()
            return cleaned
        attempt = Attempt(self.request, name)
        self._refuse_too_many(attempt)
        try:
            cleaned = super().clean()
        except ValidationError:
            note(self.request, AuditEntry.Action.SIGN_IN_FAILED, name)
            raise
        attempt.succeeded()
        user: AbstractUser = self.get_user()
        note(self.request, AuditEntry.Action.SIGNED_IN, user.get_username(), user)
        self.request.signed_in_as = name  # type: ignore[attr-defined]  # for the middleware
        return cleaned

    def _refuse_too_many(self, attempt: Attempt) -> None:
        too_many, first = attempt.begin()
        if first:  # the others would only fill up the list
            note(self.request, AuditEntry.Action.SIGN_IN_REFUSED, attempt.name)
        if too_many:
            raise ValidationError(TOO_MANY)


class OwnPassword(PasswordChangeView):
    """In place of the stock page, which leaves no trace."""

    form_class = AdminOwnPasswordChangeForm
    success_url = reverse_lazy("admin:password_change_done")
    admin_site: Any = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        self.request.current_app = self.admin_site.name
        return super().get_context_data(**self.admin_site.each_context(self.request), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        audit.record(actor_of(self.request), AuditEntry.Action.PASSWORD_CHANGED, "")
        return super().form_valid(form)


@receiver(user_logged_out)
def signed_out(request: HttpRequest, user: AbstractUser | None, **signal: Any) -> None:
    if user is not None:
        note(request, AuditEntry.Action.SIGNED_OUT, user.get_username(), user)


def note(
    request: HttpRequest, action: AuditEntry.Action, name: str, user: AbstractUser | None = None
) -> None:
    actor = Actor(name, user_id=user.pk if user else None, address=address_of(request))
    audit.record(actor, action, "")
