"""Batches that are not digested: those in the line, and those set aside."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import now

from admin_ext import display
from admin_ext.actors import actor_of
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.kit import ReadOnlyAdmin
from tracking import inbox, wire
from tracking.models import Batch, SetAsideBatch
from tracking.tasks import bell

REPLAYING = "They are put back in the line under the receipts they had, and digested again."
REPLAY = Question("Replay", "batch", "batches", REPLAYING)
SHOWN_BYTES = 20_000


def age(batch: Any) -> str:
    return display.elapsed(now() - batch.received_at)


def body(batch: Any) -> SafeString:
    """The beginning of what was sent, as far as it is text."""
    raw = bytes(batch.body)
    if batch.encoding == "gzip":
        try:
            raw = wire.gunzip(raw, wire.MAX_EVENT_BYTES * wire.MAX_EVENTS)
        except wire.Refused:
            return display.block("The body does not decompress.")
    more = f"\n… {len(raw) - SHOWN_BYTES:,} more bytes" if len(raw) > SHOWN_BYTES else ""
    return display.block(raw[:SHOWN_BYTES].decode(errors="replace") + more)


class BatchColumnsAdmin(ReadOnlyAdmin):
    list_select_related = ("application",)
    list_defer = ("body",)


COLUMNS = (
    display.words("receipt", "receipt"),
    display.words("application", "application", 40),
    display.time("received_at", "received"),
    display.column(age, "age", "age", right=True),
    display.figure("n_events", "events"),
    display.figure("size", "size", "bytes"),
    display.figure("attempts", "attempts"),
)
BODY = display.column(body, "body_text", "body")


@admin.register(Batch)
class BatchAdmin(BatchColumnsAdmin):
    empty_hint = "Everything that was accepted is digested."
    list_display = (*COLUMNS, display.time("next_at", "next try"))
    fields = (*COLUMNS, display.time("next_at", "next try"), BODY)
    readonly_fields = fields


@admin.register(SetAsideBatch)
class SetAsideBatchAdmin(BatchColumnsAdmin):
    empty_hint = "No batch has failed to be digested."
    list_display = (
        *COLUMNS,
        display.words("reason", "reason", 120),
        display.time("set_aside_at", "set aside"),
    )
    fields = (
        *COLUMNS,
        display.words("reason", "reason", 1_000),
        display.time("set_aside_at", "set aside"),
        BODY,
    )
    readonly_fields = fields
    actions = ("replay_selected",)
    actions_detail = ("replay_one",)

    def has_replay_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("tracking.change_setasidebatch")

    @asks_first(REPLAY, permission="replay")
    def replay_selected(self, request: HttpRequest, ids: list[int]) -> None:
        replay(request, ids)

    @asks_in_dialog("Replay this batch?", REPLAYING, "Replay", permission="replay", icon="replay")
    def replay_one(self, request: HttpRequest, batch: SetAsideBatch) -> str:
        replay(request, [batch.pk])
        return reverse("admin:tracking_setasidebatch_changelist")


def replay(request: HttpRequest, ids: list[int]) -> None:
    count = inbox.replay(ids, actor_of(request))
    bell.ring()
    messages.success(request, f"{count} batch{'' if count == 1 else 'es'} put back in the line.")
