"""Who may read what: secret keys, staff sessions, and the capture page's token for one session."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.core import signing
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tracking.api.errors import ApiError
from tracking.keys import PREFIXES, Caller, authenticate
from tracking.models import ApiKey, SessionApplication

TOKEN_SALT = "tracking.session-token"  # noqa: S105
TOKEN_SECONDS = 24 * 3600


def key_of(request: HttpRequest) -> str | None:
    """The key a request carries, in the first of the places where it may be."""
    scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return str(key.strip())
    return request.META.get("HTTP_X_EYE_KEY") or _key_in_address(request)


def _key_in_address(request: HttpRequest) -> str | None:
    """Addresses end up in logs, so that only publishable keys are looked for there."""
    key = request.GET.get("key", "")
    return key if key.startswith(PREFIXES[ApiKey.Kind.PUBLISHABLE]) else None


def caller_of(request: HttpRequest) -> Caller:
    """The caller of a request that must carry a key it may use here. Raises `ApiError`."""
    key = key_of(request)
    return admitted(request, authenticate(key) if key else None)


def admitted(request: HttpRequest, caller: Caller | None) -> Caller:
    """Whom the key belongs to, if it is a live one and may come from there. Raises `ApiError`."""
    if caller is None:
        raise ApiError("unauthorized")
    if origin := request.META.get("HTTP_ORIGIN"):
        check_origin(request, caller, origin)
    return caller


def check_origin(request: HttpRequest, caller: Caller, origin: str) -> None:
    if not caller.publishable:
        raise ApiError("secret_key_in_browser")
    own = f"{request.scheme}://{request.get_host()}"
    if origin != own and origin not in caller.origins:
        raise ApiError("wrong_origin")


def session_token(session_id: UUID) -> str:
    """What lets the page that captures a session read that session, and nothing else."""
    return signing.dumps(str(session_id), salt=TOKEN_SALT)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads through the API without being a user of the admin."""

    caller: Caller | None = None
    session_id: UUID | None = None
    is_authenticated: bool = True

    def may_see(self, session_id: UUID) -> bool:
        if self.caller is None:
            return session_id == self.session_id
        return SessionApplication.objects.filter(
            session_id=session_id, application_id=self.caller.application_id
        ).exists()


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Reader, None] | None:
        if key_of(request._request) is None:
            return None
        caller = caller_of(request._request)
        if caller.publishable:
            raise ApiError("forbidden", "A publishable key only writes. Read with a secret key.")
        return Reader(caller=caller), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionTokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Reader, None] | None:
        token = request.headers.get("X-Eye-Session-Token")
        if token is None:
            return None
        try:
            session_id = signing.loads(token, salt=TOKEN_SALT, max_age=TOKEN_SECONDS)
        except signing.BadSignature:
            raise ApiError("unauthorized") from None
        return Reader(session_id=UUID(session_id)), None


class MayRead(BasePermission):
    """Keys and tokens see their own; staff see what they have the view's permission for."""

    def has_permission(self, request: Request, view: object) -> bool:
        if isinstance(request.user, Reader):
            return True
        needed = getattr(view, "staff_permission", "")
        if isinstance(needed, Mapping):  # a permission for each method
            needed = needed.get("GET" if request.method == "HEAD" else request.method, "")
        return bool(needed and request.user.is_staff and request.user.has_perm(needed))


def check_may_see(request: Request, session_id: UUID) -> None:
    """Raises the same `not_found` for a session that is not there and one that is not yours."""
    if isinstance(request.user, Reader) and not request.user.may_see(session_id):
        raise ApiError("not_found")


def own_application(request: Request) -> int | None:
    """The application whose rows a key may read; None for staff, who may read all."""
    if not isinstance(request.user, Reader):
        return None
    if request.user.caller is None:
        raise ApiError("forbidden", "This token reads one session, and no lists.")
    return request.user.caller.application_id
