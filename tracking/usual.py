"""The usual event, read in one pass; most are.

Of everything else, validation.py tells what is wrong with it, if anything. Both make the same
event of the same text.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from tracking import pointer_events, values
from tracking.event_types import Check, Types
from tracking.ids import micros_of, parse_uuid
from tracking.validation import (
    MAX_CLIENT_ID,
    MAX_FUTURE,
    MAX_NAME,
    OLDEST,
    SessionId,
    ValidEvent,
    valid_event,
)

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class Sent(msgspec.Struct, gc=False):
    """What is asked of every event."""

    session_id: str
    category: Name
    name: Name
    data: Annotated[dict[str, Any], Meta(min_length=1)]
    timestamp: str
    id: Annotated[str, Meta(min_length=1, max_length=MAX_CLIENT_ID)] | None = None


class Window(NamedTuple):
    first: datetime
    last: datetime


_decode = msgspec.json.Decoder(Sent).decode


class Reader:
    """Reads the events of one application, and remembers the sessions that they name."""

    def __init__(self, application_id: int, types: Types) -> None:
        self.application_id = application_id
        self.types = types
        self.sessions: dict[str, SessionId] = {}
        self.kinds: dict[tuple[str, str], Check] = {}

    def window(self, received_at: datetime) -> Window:
        """When an event may have happened that was received at this moment."""
        days = self.types.retention.get(self.application_id)
        kept_since = OLDEST if days is None else received_at - timedelta(days=days)
        return Window(max(OLDEST, kept_since), received_at + MAX_FUTURE)

    def read(self, raw: bytes, window: Window) -> ValidEvent | None:
        """The event of a text that is not `values.suspicious`; None where it is not the usual."""
        if values.many_keys(raw):
            return None
        try:
            sent = _decode(raw)
            moment = datetime.fromisoformat(sent.timestamp)
        except (msgspec.DecodeError, ValueError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        session = self.sessions.get(sent.session_id) or self._session(sent.session_id)
        if session is None or not window.first <= moment <= window.last:
            return None
        if self._is_wrong(sent, moment, window.last):
            return None
        return valid_event(
            self.application_id,
            session,
            sent.category,
            sent.name,
            sent.data,
            micros_of(moment),
            sent.id,
        )

    def _session(self, text: str) -> SessionId | None:
        id = parse_uuid(text)
        if id is None:
            return None
        session = self.sessions[text] = SessionId(str(id), id.bytes)
        return session

    def _is_wrong(self, sent: Sent, moment: datetime, latest: datetime) -> bool:
        kind = sent.category, sent.name
        is_right = self.kinds.get(kind) or self._remember(kind)
        if sent.category == "pointer" and pointer_events.problems(*kind, sent.data, moment, latest):
            return True
        return not is_right(sent.data)

    def _remember(self, kind: tuple[str, str]) -> Check:
        is_right = self.kinds[kind] = self.types.check(self.application_id, *kind)
        return is_right
