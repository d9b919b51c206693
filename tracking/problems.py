import json
from dataclasses import dataclass
from typing import Any

VALUE_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong field: where, which kind, in plain words, and what was there."""

    field: str
    code: str
    message: str
    value: Any = None

    def shown(self) -> str:
        """The value as ASCII JSON, cut to a length fit for a table; empty where there is none."""
        text = "" if self.value is None else json.dumps(self.value)
        return text if len(text) <= VALUE_SHOWN else text[: VALUE_SHOWN - 1] + "…"
