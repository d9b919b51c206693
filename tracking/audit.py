"""Who changed, removed or exported what is stored, and when."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from tracking.models import ApiKey, AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, a key or a command; `name` is readable also when user or key are gone."""

    name: str
    user_id: int | None = None
    key_id: int | None = None
    address: str | None = None


def record(actor: Actor, action: AuditEntry.Action, target: object, **details: Any) -> AuditEntry:
    """Belongs into the transaction that makes the change."""
    return AuditEntry.objects.create(
        actor=actor.name[:200],
        # Either may be gone by the time that a task is done.
        user=get_user_model().objects.filter(pk__in=[actor.user_id]).first(),
        key=ApiKey.objects.filter(pk__in=[actor.key_id]).first(),
        address=actor.address,
        action=action,
        target=str(target),
        details=details,
    )
