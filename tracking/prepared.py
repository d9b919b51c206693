"""What a digest writes, made ready by Python alone, before any lock is taken."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import inf, isinf
from typing import Any
from uuid import UUID

import msgspec

from tracking import rows
from tracking.arrays import numbers, uuids
from tracking.checking import Checked
from tracking.claims import Claimed
from tracking.ids import micros_of, rejected_id
from tracking.kind_counts import KindCounts
from tracking.known import NOTHING, Known
from tracking.problems import storable
from tracking.validation import MAX_NAME, Rejected, ValidEvent

MILLISECOND = timedelta(milliseconds=1)
MINUTE_US = 60_000_000


class Origin(msgspec.Struct, frozen=True, gc=False):
    """What the events of a batch have in common; times in µs since 1970 UTC."""

    batch_id: int
    application_id: int
    received: int
    offset_ms: float

    @classmethod
    def of(cls, batch: Claimed) -> "Origin":
        trip = batch.received_at - batch.sent_at if batch.sent_at else None
        offset_ms = inf if trip is None else trip / MILLISECOND
        return cls(batch.id, batch.application_id, micros_of(batch.received_at), offset_ms)


class Change(msgspec.Struct, gc=False):
    """What one application's new events change in a session; times in µs since 1970 UTC."""

    first: int
    last: int
    events: int
    offset_ms: float


# By their ids, in the order of these, which is the order of time.
type New = dict[bytes, tuple[Origin, ValidEvent]]
# Arrays for a statement, by the names of its parameters.
type Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What batches bring that was not known, with the statements' parameters for it."""

    batches: list[Checked]
    sessions: set[bytes]
    new: New
    stored: Counter[int]  # by batch
    copy: bytes
    changes: Columns
    kinds: Columns
    rejected: Columns
    errors: Columns
    receipts: Columns


def prepare(batches: list[Checked], known: Known = NOTHING) -> Prepared:
    """The same event twice counts once, as the first one."""
    if known.erased:
        batches = [_without_erased(checked, known) for checked in batches]
    new = _new(batches, known)
    stored = Counter(origin.batch_id for origin, _ in new.values())
    return Prepared(
        batches=batches,
        sessions=_sessions(batches),
        new=new,
        stored=stored,
        copy=_copy(new),
        changes=_change_columns(new),
        kinds=_kind_columns(new),
        rejected=_rejected_columns(batches),
        errors=_error_columns(batches),
        receipts=_receipt_columns(batches, stored),
    )


def _without_erased(checked: Checked, known: Known) -> Checked:
    application = checked.batch.application_id
    valid = {
        position: event
        for position, event in checked.valid.items()
        if not known.is_erased(event.session_bytes, application)
    }
    rejected = {
        position: event
        for position, event in checked.rejected.items()
        if not (event.session_id and known.is_erased(event.session_id.bytes, application))
    }
    return Checked(checked.batch, valid, rejected)


def _sessions(batches: Iterable[Checked]) -> set[bytes]:
    sessions: set[bytes] = set()
    for checked in batches:
        sessions.update([event.session_bytes for event in checked.valid.values()])
        of_rejected = [event.session_id for event in checked.rejected.values()]
        sessions.update([id.bytes for id in of_rejected if id])
    return sessions


def _new(batches: Iterable[Checked], known: Known) -> New:
    found: New = {}
    for checked in batches:
        origin = Origin.of(checked.batch)
        for event in checked.valid.values():
            if event.id_bytes not in known.events and event.id_bytes not in found:
                found[event.id_bytes] = (origin, event)
    return {id: found[id] for id in sorted(found)}


def _copy(new: New) -> bytes:
    return rows.stream(
        rows.row(event, origin.application_id, origin.received) for origin, event in new.values()
    )


def _changes(new: New) -> dict[tuple[bytes, int], Change]:
    """By session and application."""
    changes: dict[tuple[bytes, int], Change] = {}
    for origin, event in new.values():
        key = event.session_bytes, origin.application_id
        change = changes.get(key)
        if change is None:
            changes[key] = Change(event.micros, event.micros, 1, origin.offset_ms)
        else:
            change.last = event.micros
            change.events += 1
            change.offset_ms = min(change.offset_ms, origin.offset_ms)
    return changes


def _change_columns(new: New) -> Columns:
    changes = _changes(new)
    values = changes.values()
    return {
        "changed": uuids(session for session, _ in changes),
        "changed_by": numbers(application for _, application in changes),
        "first": numbers(change.first for change in values),
        "last": numbers(change.last for change in values),
        "events": numbers(change.events for change in values),
        "offsets": numbers(
            None if isinf(change.offset_ms) else change.offset_ms for change in values
        ),
    }


def _kind_columns(new: New) -> Columns:
    """A row for each application and minute: the events by what they are called."""
    found = Counter(
        (origin.application_id, origin.received // MINUTE_US, event.category, event.name)
        for origin, event in new.values()
    )
    rows: dict[tuple[int, int], KindCounts] = defaultdict(KindCounts)
    for (application, minute, category, name), count in found.items():
        rows[application, minute].add(category, name, count)
    return {
        "kinds_of": numbers(application for application, _ in rows),
        "kinds_at": numbers(minute for _, minute in rows),
        "kinds": [json.dumps(row.counts) for row in rows.values()],
    }


def _rejected_columns(batches: Iterable[Checked]) -> Columns:
    """The same rejected event twice is one."""
    once = {
        _rejected_id(checked, rejected): (checked.batch, rejected)
        for checked in batches
        for rejected in checked.rejected.values()
    }
    return {
        "ids": list(once),
        "applications": [batch.application_id for batch, _ in once.values()],
        "sessions": [rejected.session_id for _, rejected in once.values()],
        "payloads": [rejected.payload for _, rejected in once.values()],
        "received": [batch.received_at for batch, _ in once.values()],
    }


def _rejected_id(checked: Checked, rejected: Rejected) -> UUID:
    return rejected_id(checked.batch.application_id, rejected.payload)


def _error_columns(batches: Iterable[Checked]) -> Columns:
    rows = [
        (checked.batch, position, rejected, problem, _rejected_id(checked, rejected))
        for checked in batches
        for position, rejected in checked.rejected.items()
        for problem in rejected.problems
    ]
    return {
        "applications": [batch.application_id for batch, *_ in rows],
        "receipts": [batch.receipt for batch, *_ in rows],
        "positions": [position for _, position, *_ in rows],
        "sessions": [rejected.session_id for *_, rejected, _, _ in rows],
        "categories": [storable(rejected.category)[:MAX_NAME] for *_, rejected, _, _ in rows],
        "names": [storable(rejected.name)[:MAX_NAME] for *_, rejected, _, _ in rows],
        "fields": [problem.place() for *_, problem, _ in rows],
        "codes": [problem.code for *_, problem, _ in rows],
        "messages": [problem.message for *_, problem, _ in rows],
        "values": [problem.shown() for *_, problem, _ in rows],
        "events": [id for *_, id in rows],
    }


def _receipt_columns(batches: list[Checked], stored: Counter[int]) -> Columns:
    claimed = [checked.batch for checked in batches]
    return {
        "ids": uuids(batch.receipt.bytes for batch in claimed),
        "applications": numbers(batch.application_id for batch in claimed),
        "received": numbers(micros_of(batch.received_at) for batch in claimed),
        "events": numbers(batch.n_events for batch in claimed),
        "stored": numbers(stored[batch.id] for batch in claimed),
        "rejected": numbers(len(checked.rejected) for checked in batches),
    }
