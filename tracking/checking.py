"""From a claimed batch to its events: which are valid, and what is wrong with the others."""

from collections.abc import Iterator
from dataclasses import dataclass

from tracking import values, wire
from tracking.claims import Claimed
from tracking.event_types import Types
from tracking.usual import Reader
from tracking.validation import Rejected, ValidEvent, validate

UNPACKED_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """A claimed batch after validation: each event by its position."""

    batch: Claimed
    valid: dict[int, ValidEvent]
    rejected: dict[int, Rejected]


class Checker:
    """Validates batches by the types of one moment. It asks no database."""

    def __init__(self, types: Types) -> None:
        self.types = types
        self.readers: dict[int, Reader] = {}

    def check(self, batch: Claimed) -> Checked:
        """Raises what its body deserves: it was checked when it was accepted."""
        valid: dict[int, ValidEvent] = {}
        rejected: dict[int, Rejected] = {}
        for position, event in enumerate(self._events(batch)):
            if isinstance(event, ValidEvent):
                valid[position] = event
            else:
                rejected[position] = event
        return Checked(batch, valid, rejected)

    def _events(self, batch: Claimed) -> Iterator[ValidEvent | Rejected]:
        application, received_at = batch.application_id, batch.received_at
        reader = self.readers.get(application)
        if reader is None:
            reader = self.readers[application] = Reader(application, self.types)
        body = plain(batch)
        suspicious, window = values.suspicious(body), reader.window(received_at)
        for raw in wire.texts(body):
            usual = None if suspicious and values.suspicious(raw) else reader.read(raw, window)
            yield usual or validate(raw, application, received_at, self.types)


def plain(batch: Claimed) -> bytes:
    body = bytes(batch.body)
    return wire.gunzip(body, UNPACKED_LIMIT) if batch.encoding == "gzip" else body
