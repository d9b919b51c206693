"""Staff who watch a session: their page asks again and again, and they are the same each time."""

from time import monotonic
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

PERMISSION = "reports.view_sessionreport"
# How long who is signed in, and may see reports, is believed to be so without asking again.
MEMORY_SECONDS = 5.0
MEMORY_SIZE = 1_000
# By the key of the admin's session.
_memory: dict[str, tuple[float, AbstractBaseUser]] = {}


class WatcherAuthentication(SessionAuthentication):
    """As the class it is of. Only for reads that need `PERMISSION`, and no other."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        session = request._request.session
        session.accessed = True  # so that the answer says it varies with the cookie
        key = session.session_key
        known = _memory.get(key or "")
        if known and monotonic() < known[0]:
            return known[1], None
        found = super().authenticate(request)
        if key and found and found[0].is_staff and found[0].has_perm(PERMISSION):
            _remember(key, found[0])
        return found


class WatcherScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """For who reads the API's document, the admin's session as elsewhere."""

    target_class = "reports.watching.WatcherAuthentication"
    name: list[str] = []

    def get_security_requirement(self, auto_schema: object) -> dict[str, list[str]]:
        return {"cookieAuth": []}

    def get_security_definition(self, auto_schema: object) -> list[Any]:
        return []


def _remember(key: str, user: AbstractBaseUser) -> None:
    if len(_memory) >= MEMORY_SIZE:
        _memory.clear()
    _memory[key] = monotonic() + MEMORY_SECONDS, user


@receiver(user_logged_out, dispatch_uid="reports.watching")
def forget(**signal: object) -> None:
    """Drops what this process remembers of staff."""
    _memory.clear()
