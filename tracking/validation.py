"""From one event's JSON text to what will be stored, or to all that is wrong with it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from tracking import pointer_events, values, wire
from tracking.event_types import Types
from tracking.ids import event_id, micros_of, parse_uuid
from tracking.problems import Problem

MAX_NAME = 200
MAX_CLIENT_ID = 100
# Of an event that is wrong in more places than this, the first are reported.
MAX_PROBLEMS = 20
MAX_FUTURE = timedelta(seconds=60)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
KEPT_NO_LONGER = (
    "The timestamp is more than {days:,} days ago, and this application's events are kept no longer. "
    "Send events sooner, or have staff change for how long they are kept, on the application's page."
)

_json = msgspec.json.Encoder().encode
_canonical_json = msgspec.json.Encoder(order="sorted").encode


class ValidEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored: ids in 16 bytes, data in canonical JSON, µs since 1970 UTC."""

    id_bytes: bytes
    session_bytes: bytes
    category: str
    name: str
    data: bytes
    micros: int

    @property
    def id(self) -> UUID:
        return UUID(bytes=self.id_bytes)

    @property
    def session_id(self) -> UUID:
        return UUID(bytes=self.session_bytes)


class SessionId(NamedTuple):
    """A session's id as the text that is part of its events' identity, and as 16 bytes."""

    text: str
    bytes: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    session_id: UUID | None
    payload: str
    problems: tuple[Problem, ...]
    # As they were sent, as far as they are text.
    category: str = ""
    name: str = ""


def valid_event(
    application_id: int,
    session: SessionId,
    category: str,
    name: str,
    data: dict[str, Any],
    micros: int,
    client_id: str | None,
) -> ValidEvent:
    """An event in whose fields nothing is wrong."""
    text = _canonical_json(data)
    if client_id is None:
        identity = _json((application_id, session.text, category, name))[:-1] + b"," + text + b"]"
    else:
        identity = _json((application_id, client_id))
    return ValidEvent(event_id(micros, identity), session.bytes, category, name, text, micros)


def refused(event: ValidEvent, raw: bytes, problem: Problem) -> Rejected:
    """An event in which nothing is wrong but what only the database knows."""
    return Rejected(event.session_id, raw.decode(), (problem,), event.category, event.name)


def validate(
    raw: bytes, application_id: int, received_at: datetime, types: Types
) -> ValidEvent | Rejected:
    """Checks one event against the contract; every wrong field becomes one `Problem`."""
    sent = wire.loads(raw)
    if not isinstance(sent, dict):
        problem = Problem("", "not_an_object", "An event must be a JSON object.", sent)
        return Rejected(None, raw.decode(), (problem,))
    reading = _Reading(sent, values.problems(sent, raw))
    event = reading.event(application_id, received_at, types)
    return event or reading.rejected(raw)


@dataclass(slots=True)
class _Reading:
    """One event being read: each method reads a field and notes what is wrong with it."""

    sent: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def event(self, application_id: int, received_at: datetime, types: Types) -> ValidEvent | None:
        latest = received_at + MAX_FUTURE
        session_id = self.session_id(note=True)
        category = self.name("category")
        name = self.name("name")
        data = self.data()
        timestamp = self.timestamp(received_at, types.retention.get(application_id))
        client_id = self.client_id()
        if category and name and data:
            of_pointer = pointer_events.problems(category, name, data, timestamp, latest)
            self.problems += self.news(of_pointer)
            self.problems += self.news(types.problems(application_id, category, name, data))
        if self.problems or session_id is None or timestamp is None:
            return None
        session = SessionId(str(session_id), session_id.bytes)
        micros = micros_of(timestamp)
        return valid_event(application_id, session, category, name, data, micros, client_id)

    def rejected(self, raw: bytes) -> Rejected:
        problems = tuple(self.problems[:MAX_PROBLEMS])
        category, name = (self.text(field)[:MAX_NAME] for field in ("category", "name"))
        return Rejected(self.session_id(), raw.decode(), problems, category, name)

    def text(self, field: str) -> str:
        value = self.sent.get(field)
        return value if isinstance(value, str) else ""

    def news(self, problems: list[Problem]) -> list[Problem]:
        """Those of fields of which nothing is said yet."""
        told = {problem.field for problem in self.problems}
        return [problem for problem in problems if problem.field not in told]

    def refuse(self, field: str, code: str, message: str, value: Any = None) -> None:
        self.problems.append(Problem(field, code, message, value))

    def session_id(self, note: bool = False) -> UUID | None:
        value, path = self.sent.get("session_id"), "session_id"
        session = self.sent.get("session")
        if value is None and isinstance(session, dict):
            value, path = session.get("id"), "session.id"
        session_id = parse_uuid(value) if isinstance(value, str) else None
        if note and value is None:
            self.refuse(path, "missing", "An event needs session_id, a UUID.")
        elif note and session_id is None:
            self.refuse(path, "not_a_uuid", "A session id is a UUID.", value)
        return session_id

    def name(self, field: str) -> str:
        value = self.sent.get(field)
        if value is None:
            self.refuse(field, "missing", f"An event needs a {field}.")
        elif not isinstance(value, str):
            self.refuse(field, "not_text", f"The {field} must be text.", value)
        elif not value:
            self.refuse(field, "empty", f"The {field} must not be empty.")
        elif len(value) > MAX_NAME:
            message = f"The {field} may have at most {MAX_NAME} characters; it has {len(value):,}."
            self.refuse(field, "too_long", message, value)
        else:
            return value
        return ""

    def data(self) -> dict[str, Any]:
        value = self.sent.get("data")
        if value is None:
            self.refuse("data", "missing", "An event needs data, a JSON object.")
        elif not isinstance(value, dict):
            self.refuse("data", "not_an_object", "data must be a JSON object.", value)
        elif not value:
            self.refuse("data", "empty", "data must have at least one key.")
        else:
            return value
        return {}

    def timestamp(self, received_at: datetime, days: int | None) -> datetime | None:
        value = self.sent.get("timestamp")
        if value is None:
            self.refuse("timestamp", "missing", "An event needs a timestamp, in ISO 8601.")
            return None
        moment = moment_of(value)
        if moment is None:
            message = "The timestamp must be text in ISO 8601, like 2026-01-31T12:00:00.000000Z."
            self.refuse("timestamp", "not_a_timestamp", message, value)
        elif moment > received_at + MAX_FUTURE:
            message = "The timestamp is more than 60 s in the future. Check the sender's clock."
            self.refuse("timestamp", "in_future", message, value)
        elif moment < OLDEST:
            self.refuse("timestamp", "too_old", "The timestamp is before the year 2000.", value)
        elif days is not None and moment < received_at - timedelta(days=days):
            self.refuse("timestamp", "too_old", KEPT_NO_LONGER.format(days=days), value)
        else:
            return moment
        return None

    def client_id(self) -> str | None:
        value = self.sent.get("id")
        if value is None:
            return None
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_CLIENT_ID:
            message = f"An id, where there is one, is text of 1 to {MAX_CLIENT_ID} characters."
            self.refuse("id", "not_an_id", message, value)
            return None
        return value


def moment_of(value: object) -> datetime | None:
    """A timestamp as aware UTC; one without a zone is UTC already."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
