"""Correcting a stored event: what kind it was and its data, never whose it was or when."""

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from tracking import audit, event_types
from tracking.audit import Actor
from tracking.ids import parse_uuid
from tracking.models import AuditEntry, Event, Session
from tracking.problems import Problem
from tracking.signals import sessions_changed
from tracking.validation import Rejected, moment_of, validate
from tracking.values import MAX_INTEGER, MIN_INTEGER

CORRECTABLE = ("category", "name", "data")
FIXED = "This cannot be corrected. Delete the event and send it anew."


class Wrong(ValueError):
    """The event would be wrong so; `problems` says where."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems


def correct(id: UUID, wanted: dict[str, Any], actor: Actor) -> Event:
    """The event with those fields among `CORRECTABLE` that `wanted` has; the others stay.

    The id stays too, so that a retry of what was sent at first is still a duplicate. Raises
    `Event.DoesNotExist`, and `Wrong` where the event would not be accepted like that.
    """
    with transaction.atomic():
        event = Event.objects.select_for_update().get(pk=id)
        _refuse_fixed(event, wanted)
        before = {name: getattr(event, name) for name in CORRECTABLE}
        after = before | {name: wanted[name] for name in CORRECTABLE if name in wanted}
        changed = [name for name in CORRECTABLE if _json(after[name]) != _json(before[name])]
        if not changed:
            return event
        _check(event, after if "data" in changed else after | {"data": _as_sent(event.data)})
        for name in changed:
            setattr(event, name, after[name])
        event.save(update_fields=changed)
        _touch(event.session_id)
        audit.record(actor, AuditEntry.Action.CORRECTED, id, changed=changed)
    sessions_changed.send(sender=None, session_ids=[event.session_id])
    return event


def _refuse_fixed(event: Event, wanted: dict[str, Any]) -> None:
    session = wanted.get("session")
    named = wanted.get("session_id", session.get("id") if isinstance(session, dict) else session)
    problems = []
    if named is not None and not _is_session(event, named):
        problems.append(Problem("session_id", "fixed", FIXED, named))
    sent = wanted.get("timestamp")
    if sent is not None and moment_of(sent) != event.timestamp:
        problems.append(Problem("timestamp", "fixed", FIXED, sent))
    if problems:
        raise Wrong(tuple(problems))


def _is_session(event: Event, named: object) -> bool:
    return isinstance(named, str) and parse_uuid(named) == event.session_id


def _as_sent(data: dict[str, Any]) -> Any:
    """PostgreSQL writes 1e22 as the integer that it is; no event may have one so large."""
    return json.loads(_json(data), parse_int=_number)


def _number(digits: str) -> float:
    value = int(digits)
    return value if MIN_INTEGER <= value <= MAX_INTEGER else float(value)


def _check(event: Event, after: dict[str, Any]) -> None:
    """By the rules for every event, as of when it came: by its own time it may be kept no longer."""
    whole = after | {"session_id": str(event.session_id), "timestamp": event.timestamp.isoformat()}
    types = event_types.current()
    checked = validate(_json(whole).encode(), event.application_id, event.received_at, types)
    if isinstance(checked, Rejected):
        raise Wrong(checked.problems)


def _touch(session_id: UUID) -> None:
    """The report is stale, and what it was going on from no longer true."""
    Session.objects.filter(pk=session_id).update(
        revision=F("revision") + 1, rewritten=F("revision") + 1
    )


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
