"""What leaves the inbox undigested: batches set aside, which staff may put back in the line.

intake.py puts batches into the inbox, claims.py hands them to the workers.
"""

from django.db import transaction
from django.utils.timezone import now

from tracking import audit, claims
from tracking.audit import Actor
from tracking.claims import Claimed
from tracking.models import AuditEntry, Batch, Receipt, SetAsideBatch


def set_aside(batch: Claimed, reason: str) -> None:
    """Takes a batch out of the line, with its body and the reason, and says so in its receipt."""
    with transaction.atomic():
        kept = Batch.objects.filter(pk=batch.id).first()
        if kept is None or not claims.take([batch]):
            return
        columns = {name: getattr(kept, name) for name in KEPT_COLUMNS}
        SetAsideBatch.objects.create(reason=reason, **columns)
        Receipt.objects.create(
            id=batch.receipt,
            application_id=batch.application_id,
            state=Receipt.State.SET_ASIDE,
            received_at=batch.received_at,
            digested_at=now(),
            events=batch.n_events,
        )


def replay(set_aside_ids: list[int], actor: Actor) -> int:
    """Puts set-aside batches back in the line, under the receipts they had; how many it was."""
    with transaction.atomic():
        kept = list(SetAsideBatch.objects.select_for_update().filter(pk__in=set_aside_ids))
        for row in kept:
            columns = {name: getattr(row, name) for name in KEPT_COLUMNS}
            Batch.objects.create(next_at=now(), **{**columns, "attempts": 0})
            audit.record(actor, AuditEntry.Action.REPLAYED, row.receipt, events=row.n_events)
        Receipt.objects.filter(pk__in=[row.receipt for row in kept]).delete()
        SetAsideBatch.objects.filter(pk__in=[row.pk for row in kept]).delete()
    return len(kept)


KEPT_COLUMNS = (
    "receipt",
    "application_id",
    "key_id",
    "received_at",
    "sent_at",
    "encoding",
    "n_events",
    "size",
    "attempts",
    "body",
)
