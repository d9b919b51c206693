"""What was sent and what was answered, written down as it happens.

Two files of lines as COPY reads them. The events of a body are written before it leaves, an answer
when it is there, so that whatever happens, nothing was sent or received that is not in them.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from ledger.author import Body
from tracking import wire
from tracking.event_types import Types
from tracking.ids import rejected_id
from tracking.validation import ValidEvent, validate

# The status of a request to which no answer came.
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of a sent event: stored under this id or, having problems, rejected."""

    id: UUID
    application_id: int
    session_id: UUID | None
    mark: str
    problems: int


def expected(body: Body, types: Types) -> list[Expected]:
    """As the digest reads it. Raises where it does not agree with the author on what is right."""
    texts = wire.split(body.plain())
    found = []
    for text, written in zip(texts, body.events, strict=True):
        event = validate(text, body.key.application_id, datetime.now(UTC), types)
        if isinstance(event, ValidEvent) is not written.right:
            raise AssertionError(f"Wrongly validated: {event}")
        if isinstance(event, ValidEvent):
            id, problems = event.id, 0
        else:
            id = rejected_id(body.key.application_id, event.payload)
            problems = len({(problem.place(), problem.code) for problem in event.problems})
        application = body.key.application_id
        found.append(Expected(id, application, event.session_id, written.mark, problems))
    return found


class Journal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.sent = folder / "sent.tsv"
        self.answers = folder / "answers.tsv"
        self._sent = self.sent.open("a")
        self._answers = self.answers.open("a")
        self._bodies = count(1)
        self._lock = threading.Lock()
        self.accepted_events = 0

    def sends(self, events: Sequence[Expected]) -> int:
        """Notes the events of a body that is about to leave; its number."""
        with self._lock:
            body = next(self._bodies)
            for position, event in enumerate(events):
                session = event.session_id or r"\N"
                self._sent.write(
                    f"{body}\t{position}\t{event.id}\t{event.application_id}\t{session}\t"
                    f"{event.mark}\t{event.problems}\n"
                )
            self._sent.flush()
            return body

    def was_answered(self, body: int, status: int, receipt: UUID | None, events: int) -> None:
        with self._lock:
            self._answers.write(f"{body}\t{status}\t{receipt or r'\N'}\n")
            self._answers.flush()
            if receipt:
                self.accepted_events += events
