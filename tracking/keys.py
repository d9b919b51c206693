"""API keys: made once, shown once, kept as a SHA-256; looked up with a few seconds of memory."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Q
from django.utils.timezone import now

from tracking.api.errors import ApiError
from tracking.faults import sqlstate
from tracking.models import ApiKey, Application

DEFAULT_PORTS = {"http": 80, "https": 443}
PREFIXES = {ApiKey.Kind.PUBLISHABLE: "eye_pk_", ApiKey.Kind.SECRET: "eye_sk_"}
SOME_PREFIX = tuple(PREFIXES.values())
# How long a looked-up key is believed, and an unknown one refused, without asking again.
MEMORY_SECONDS = 5.0
MEMORY_SIZE = 10_000
# How long a key that is replaced by a new one goes on beside it.
KEEP = timedelta(hours=24)


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


class NotRecalled(LookupError):
    """Only the database can tell whose key this is."""


class CannotRotate(ValueError):
    """The message says why."""


@dataclass(frozen=True, slots=True)
class NewKey:
    application: str
    kind: str
    key: str = field(repr=False)
    record: ApiKey


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, as far as its key tells."""

    key_id: int
    application_id: int
    publishable: bool
    origins: frozenset[str]
    expires_at: datetime | None
    events_per_minute: int


def live() -> Q:
    return Q(Q(expires_at=None) | Q(expires_at__gt=now()), revoked_at=None)


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


def rotate(record: ApiKey, keep: timedelta = KEEP) -> NewKey:
    """A new key like this one, which itself ends after `keep`, or when it was to end if sooner.

    Raises `CannotRotate`.
    """
    with transaction.atomic():  # of two at once, the second sees when the first lets it end
        old = ApiKey.objects.select_for_update().get(pk=record.pk)
        _check_rotates(old)
        new = issue(ApiKey(application=old.application, kind=old.kind, origins=old.origins))
        old.expires_at = min(filter(None, [old.expires_at, now() + keep]))
        old.save(update_fields=["expires_at"])
    forget()
    return new


def _check_rotates(record: ApiKey) -> None:
    if record.revoked_at or (record.expires_at and record.expires_at <= now()):
        raise CannotRotate("This key is no longer live. Make a new one.")
    if bytes(record.sha256) == _sha256(_derived_key()):
        raise CannotRotate("The capture page derives its key from EYE_SECRET_KEY: change that.")


def _derived_key() -> str:
    name = settings.EYE_CAPTURE_APPLICATION
    mac = hmac.new(settings.SECRET_KEY.encode(), f"key of the {name}".encode(), hashlib.sha256)
    return PREFIXES[ApiKey.Kind.PUBLISHABLE] + mac.hexdigest()


def capture_key() -> str:
    """The capture page's own publishable key, the same on every host: derived, not stored."""
    key = _derived_key()
    if not ApiKey.objects.filter(sha256=_sha256(key)).exists():
        owner, _ = Application.objects.get_or_create(name=settings.EYE_CAPTURE_APPLICATION)
        with suppress(IntegrityError):  # another process was quicker
            _save(ApiKey(application=owner, kind=ApiKey.Kind.PUBLISHABLE), key)
        forget()
    return key


def authenticate(key: str) -> Caller | None:
    """The caller of a live key; None for an unknown, revoked or expired one."""
    try:
        return recall(key)
    except NotRecalled:
        return _live(_remember(_sha256(key)))


def recall(key: str) -> Caller | None:
    """The same from memory alone. Raises `NotRecalled`."""
    if not key.startswith(SOME_PREFIX):
        return None
    until, caller = _memory.get(_sha256(key), FORGOTTEN)
    if monotonic() >= until:
        raise NotRecalled
    return _live(caller)


def _live(caller: Caller | None) -> Caller | None:
    expired = caller and caller.expires_at and caller.expires_at <= now()
    return None if expired else caller


def forget() -> None:
    """Drops what this process remembers of keys."""
    global _left_alone_until
    _left_alone_until = 0.0
    _memory.clear()


# By the key's SHA-256: until when this is believed, and whose key it is, if anybody's.
type Memory = tuple[float, Caller | None]
FORGOTTEN: Memory = (0.0, None)
_memory: dict[bytes, Memory] = {}


def _remember(sha256: bytes) -> Caller | None:
    caller = _look_up(sha256)
    if len(_memory) >= MEMORY_SIZE:
        _make_room()
    _memory[sha256] = (monotonic() + MEMORY_SECONDS, caller)
    return caller


def _make_room() -> None:
    """Who tries out keys that do not exist shall not have those forgotten that do."""
    for sha256, (until, caller) in list(_memory.items()):
        if caller is None or until < monotonic():
            _memory.pop(sha256, None)
    if len(_memory) >= MEMORY_SIZE:
        _memory.clear()


# A migration may lock the tables, and wait with the lock for a dump: whoever sends is told in time.
IN_TIME = "SET LOCAL statement_timeout = '2s'"
TIMED_OUT = "57014"
# Those who queued up behind a look that took too long are told at once, and no other looks now.
LEFT_ALONE_SECONDS = 1.0
_left_alone_until = 0.0


def _look_up(sha256: bytes) -> Caller | None:
    """Raises `ApiError` where others have just waited in vain, and the database's errors."""
    global _left_alone_until
    if monotonic() < _left_alone_until:
        raise ApiError("unavailable")
    try:
        key = _find(sha256)
    except Error as error:
        if sqlstate(error) == TIMED_OUT:
            _left_alone_until = monotonic() + LEFT_ALONE_SECONDS
        raise
    if key is None:
        return None
    _note_use(key)
    return _caller(key)


def _find(sha256: bytes) -> ApiKey | None:
    keys = ApiKey.objects.select_related("application")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(IN_TIME)
        return keys.filter(live(), sha256=sha256).first()


def _caller(key: ApiKey) -> Caller:
    owner, publishable = key.application, key.kind == ApiKey.Kind.PUBLISHABLE
    return Caller(
        key_id=key.pk,
        application_id=key.application_id,
        publishable=publishable,
        origins=frozenset(key.origins),
        expires_at=key.expires_at,
        events_per_minute=(
            owner.publishable_events_per_minute if publishable else owner.secret_events_per_minute
        ),
    )


# Of several processes one notes the use; none waits for another, or for who edits the key.
NOTE_USE = f"""
{IN_TIME};
UPDATE tracking_apikey SET last_used_at = now()
 WHERE id = (SELECT id FROM tracking_apikey
              WHERE id = %s
                AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => %s))
                FOR NO KEY UPDATE SKIP LOCKED)
"""
NOTED_FOR = timedelta(minutes=1)


def _note_use(key: ApiKey) -> None:
    """Once a minute. A database that only reads still lets keys in."""
    if key.last_used_at and key.last_used_at > now() - NOTED_FOR:
        return
    with suppress(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NOTE_USE, [key.pk, NOTED_FOR.total_seconds()])


def _save(record: ApiKey, key: str) -> NewKey:
    record.prefix = key[:12]
    record.last_four = key[-4:]
    record.sha256 = _sha256(key)
    record.save()
    return NewKey(record.application.name, record.kind, key, record)


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
