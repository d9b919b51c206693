"""The admin, one module an area. Importing a module registers its models."""

from admin_ext.admin import (
    api_keys,
    applications,
    audit,
    errors,
    event_types,
    events,
    inbox,
    periodic,
    rebuilds,
    receipts,
    reports,
    sessions,
    tasks,
    users,
)

__all__ = [
    "api_keys",
    "applications",
    "audit",
    "errors",
    "event_types",
    "events",
    "inbox",
    "periodic",
    "rebuilds",
    "receipts",
    "reports",
    "sessions",
    "tasks",
    "users",
]
