"""The tables of tracking, one module an area."""

from tracking.models.behaviour import IS_LATE, LATE, Event, Session, SessionApplication
from tracking.models.error_groups import ErrorChange, ErrorCount, ErrorGroup, ErrorMute
from tracking.models.errors import EventError, RejectedEvent
from tracking.models.intake import Batch, BatchColumns, Receipt, SetAsideBatch, Tally
from tracking.models.removals import AuditEntry, DeletedEvent, ErasedSession
from tracking.models.senders import ApiKey, Application
from tracking.models.types import EventType, SchemaVersion

__all__ = [
    "IS_LATE",
    "LATE",
    "ApiKey",
    "Application",
    "AuditEntry",
    "Batch",
    "BatchColumns",
    "DeletedEvent",
    "ErasedSession",
    "ErrorChange",
    "ErrorCount",
    "ErrorGroup",
    "ErrorMute",
    "Event",
    "EventError",
    "EventType",
    "Receipt",
    "RejectedEvent",
    "SchemaVersion",
    "Session",
    "SessionApplication",
    "SetAsideBatch",
    "Tally",
]
