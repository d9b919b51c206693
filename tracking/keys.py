"""API keys: made once, shown once, kept as a SHA-256; looked up with a few seconds of memory."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError
from django.utils.timezone import now

from tracking.models import ApiKey, Application

DEFAULT_PORTS = {"http": 80, "https": 443}
PREFIXES = {ApiKey.Kind.PUBLISHABLE: "eye_pk_", ApiKey.Kind.SECRET: "eye_sk_"}
# How long a looked-up key is believed, and an unknown one refused, without asking again.
MEMORY_SECONDS = 5.0
MEMORY_SIZE = 10_000


class NotAnOrigin(ValueError):
    """The text is no origin; the message says what one is."""


def clean_origin(text: str) -> str:
    """An origin as browsers send it. Raises `NotAnOrigin`."""
    advice = NotAnOrigin(
        f"{text!r} is no origin. One is a scheme, a host and perhaps a port: https://shop.example"
    )
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise advice from None
    more = parts.username is not None or parts.path not in {"", "/"} or parts.query
    if parts.scheme not in DEFAULT_PORTS or not host or more or parts.fragment:
        raise advice
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in {None, DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{shown_host}{shown_port}"


@dataclass(frozen=True, slots=True)
class NewKey:
    application: str
    kind: str
    key: str
    record: ApiKey


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, as far as its key tells."""

    key_id: int
    application_id: int
    publishable: bool
    origins: frozenset[str]
    expires_at: datetime | None


def create_key(application: str, kind: str, origins: Sequence[str] = ()) -> NewKey:
    """A new key for the application of that name, which is made if need be.

    Raises `NotAnOrigin`.
    """
    cleaned = [clean_origin(origin) for origin in origins]
    owner, _ = Application.objects.get_or_create(name=application)
    return issue(ApiKey(application=owner, kind=ApiKey.Kind(kind), origins=cleaned))


def issue(record: ApiKey) -> NewKey:
    """Gives a new record its key and saves it. The plaintext is in the answer and nowhere else."""
    key = PREFIXES[ApiKey.Kind(record.kind)] + secrets.token_urlsafe(32)
    return _save(record, key)


def capture_key() -> str:
    """The capture page's own publishable key, the same on every host: derived, not stored."""
    name = settings.EYE_CAPTURE_APPLICATION
    mac = hmac.new(settings.SECRET_KEY.encode(), f"key of the {name}".encode(), hashlib.sha256)
    key = PREFIXES[ApiKey.Kind.PUBLISHABLE] + mac.hexdigest()
    if not ApiKey.objects.filter(sha256=_sha256(key)).exists():
        owner, _ = Application.objects.get_or_create(name=name)
        with suppress(IntegrityError):  # another process was quicker
            _save(ApiKey(application=owner, kind=ApiKey.Kind.PUBLISHABLE), key)
        forget()
    return key


def authenticate(key: str) -> Caller | None:
    """The caller of a live key; None for an unknown, revoked or expired one."""
    sha256 = _sha256(key)
    caller = _remembered(sha256)
    if caller and caller.expires_at and caller.expires_at <= now():
        return None
    return caller


def forget() -> None:
    """Drops what this process remembers of keys."""
    _memory.clear()


_memory: dict[bytes, tuple[float, Caller | None]] = {}


def _remembered(sha256: bytes) -> Caller | None:
    until, caller = _memory.get(sha256, (0.0, None))
    if monotonic() < until:
        return caller
    caller = _look_up(sha256)
    if len(_memory) >= MEMORY_SIZE:
        _memory.clear()
    _memory[sha256] = (monotonic() + MEMORY_SECONDS, caller)
    return caller


def _look_up(sha256: bytes) -> Caller | None:
    key = ApiKey.objects.filter(sha256=sha256, revoked_at=None).first()
    if key is None:
        return None
    return Caller(
        key_id=key.pk,
        application_id=key.application_id,
        publishable=key.kind == ApiKey.Kind.PUBLISHABLE,
        origins=frozenset(key.origins),
        expires_at=key.expires_at,
    )


def _save(record: ApiKey, key: str) -> NewKey:
    record.prefix = key[:12]
    record.last_four = key[-4:]
    record.sha256 = _sha256(key)
    record.save()
    return NewKey(record.application.name, record.kind, key, record)


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
