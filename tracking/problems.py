import json
from dataclasses import dataclass
from typing import Any

from tracking.masking import MARK, hides, masked

VALUE_SHOWN = 100
FIELD_SHOWN = 200
# Fields of the event itself, where long numbers are times and ids.
ENVELOPE = ("session_id", "session.id", "id", "timestamp")


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field: where, which kind, in plain words, and what was there."""

    field: str
    code: str
    message: str
    value: Any = None

    def shown(self) -> str:
        """The value as ASCII JSON, masked, and cut to a length fit for a table; empty for none."""
        if self.value is None:
            return ""
        text = json.dumps(self._masked())
        return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"

    def _masked(self) -> Any:
        if hides(self.field):
            return MARK
        return masked(self.value, numbers=self.field not in ENVELOPE)

    def place(self) -> str:
        """The field, readable also where it holds keys that are no text; cut to what is kept."""
        path = self.field if self.field.isprintable() else json.dumps(self.field)[1:-1]
        return path[:FIELD_SHOWN]


def storable(text: str) -> str:
    """The text with what PostgreSQL cannot hold in it written as escapes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", r"\u0000")
