"""How often a password may be tried.

Counted are the attempts at one account from one address, at one account from anywhere, and of one
address at any; so whoever guesses is stopped for some minutes. They cannot lock out those who have
signed in from the same browser before: these are counted by a cookie of theirs, and alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest, HttpResponse
from redis import RedisError

from tracking.api.address import address_of

# For so long the attempts since the first are counted together.
SECONDS = 15 * 60
MOST = {"browser": 10, "pair": 5, "account": 30, "address": 60}
COOKIE = "eye_browser"
COOKIE_SECONDS = 90 * 24 * 3600
SALT = "admin_ext.known-browser"

# Counts while the cache is away, of this process alone.
_here = LocMemCache("attempts", {})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in to an account, by the name that was typed."""

    request: HttpRequest
    name: str

    def begin(self) -> tuple[bool, bool]:
        """Counts it. Whether it is one too many, and whether it is the first that is.

        It is counted before the password is looked at, so that many at once are not more.
        """
        over = [_add(self._key(kind)) - MOST[kind] for kind in self._kinds()]
        return max(over) > 0, max(over) == 1

    def succeeded(self) -> None:
        """It was no guess."""
        for kind in self._kinds():
            _take_back(self._key(kind), entirely=kind in {"browser", "pair"})

    def _kinds(self) -> tuple[str, ...]:
        return ("browser",) if self._browser() else ("pair", "account", "address")

    def _key(self, kind: str) -> str:
        address, name = address_of(self.request) or "", _plain(self.name)
        who = {
            "browser": (self._browser(),),
            "pair": (name, address),
            "account": (name,),
            "address": (address,),
        }
        return f"eye:sign-in:{kind}:{sha256(repr(who[kind]).encode()).hexdigest()}"

    def _browser(self) -> str:
        """What names this browser, if somebody has signed in to this account with it before."""
        try:
            name, browser = signing.loads(
                self.request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=COOKIE_SECONDS
            )
        except signing.BadSignature:
            return ""
        return str(browser) if name == _plain(self.name) else ""


def remember_browser(response: HttpResponse, name: str) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps([_plain(name), token_urlsafe(16)], salt=SALT),
        max_age=COOKIE_SECONDS,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _stores() -> Iterator[BaseCache]:
    yield cache
    yield _here


def _add(key: str) -> int:
    for store in _stores():
        try:
            store.add(key, 0, SECONDS)
            return store.incr(key)
        except (RedisError, ValueError):  # away, or just forgotten
            continue
    return 1


def _take_back(key: str, *, entirely: bool) -> None:
    for store in _stores():
        try:
            if entirely:
                store.delete(key)
            else:
                store.decr(key)
        except (RedisError, ValueError):
            continue
