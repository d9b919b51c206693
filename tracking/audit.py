"""Who changed or removed what was stored, and when."""

from dataclasses import dataclass
from typing import Any

from tracking.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """A user, a key or a command; `name` is readable also when user or key are gone."""

    name: str
    user_id: int | None = None
    key_id: int | None = None
    address: str | None = None


def record(actor: Actor, action: AuditEntry.Action, target: object, **details: Any) -> None:
    """Belongs into the transaction that makes the change."""
    AuditEntry.objects.create(
        actor=actor.name[:200],
        user_id=actor.user_id,
        key_id=actor.key_id,
        address=actor.address,
        action=action,
        target=str(target),
        details=details,
    )
