"""What may happen to a service while it works; each fault begins, lasts, and ends by itself."""

from ledger.faults import broker, database, processes, replies
from ledger.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *database.FAULTS,
    *broker.FAULTS,
    *replies.FAULTS,
)

__all__ = ["FAULTS", "Fault"]
