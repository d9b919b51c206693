"""What leaves the inbox undigested: batches set aside, which staff may put back in the line.

intake.py puts batches into the inbox, claims.py hands them to the workers.
"""

from django.db import connection, transaction
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
        chosen = SetAsideBatch.objects.select_for_update().filter(pk__in=set_aside_ids)
        ids = list(chosen.order_by("pk").values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(PUT_BACK, [now(), ids])
            put_back = cursor.fetchall()
        for receipt, events in put_back:
            audit.record(actor, AuditEntry.Action.REPLAYED, receipt, events=events)
        Receipt.objects.filter(pk__in=[receipt for receipt, _ in put_back]).delete()
        SetAsideBatch.objects.filter(pk__in=ids).delete()
    return len(ids)


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
SAME_COLUMNS = ", ".join(name for name in KEPT_COLUMNS if name != "attempts")
# The bodies, of some megabytes each, stay in PostgreSQL.
PUT_BACK = f"""
INSERT INTO tracking_batch ({SAME_COLUMNS}, attempts, next_at)
SELECT {SAME_COLUMNS}, 0, %s FROM tracking_setasidebatch WHERE id = ANY(%s::bigint[]) ORDER BY id
RETURNING receipt, n_events
"""
