"""Muting a group of errors: it is not shown for a while, and counted all the same."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from tracking import audit
from tracking.audit import Actor
from tracking.models import AuditEntry, ErrorGroup, ErrorMute


def in_force() -> QuerySet[ErrorMute]:
    return ErrorMute.objects.filter(Q(until=None) | Q(until__gt=now()))


def mute(group: ErrorGroup, lasts: timedelta | None, why: str, actor: Actor) -> ErrorMute:
    """For so long from now on, or (None) for ever; in place of what was said before."""
    moment = now()
    told = {"until": moment + lasts if lasts else None, "why": why}
    with transaction.atomic():
        made, _ = ErrorMute.objects.update_or_create(
            group=group,
            defaults=told | {"by": actor.name[:200], "user_id": actor.user_id, "at": moment},
        )
        _record(AuditEntry.Action.MUTED, group, actor, until=str(made.until or "for ever"), why=why)
    return made


def unmute(group: ErrorGroup, actor: Actor) -> None:
    with transaction.atomic():
        deleted, _ = ErrorMute.objects.filter(group=group).delete()
        if deleted:
            _record(AuditEntry.Action.UNMUTED, group, actor)


def _record(action: AuditEntry.Action, group: ErrorGroup, actor: Actor, **details: str) -> None:
    """With what it is of, since a group goes with its last error."""
    names = ("application_id", "category", "name", "field", "code")
    kind = {name.removesuffix("_id"): getattr(group, name) for name in names}
    audit.record(actor, action, group.pk, **kind, **details)
