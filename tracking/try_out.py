"""What a schema that is not saved yet would do to the events that came lately."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tracking import event_types
from tracking.event_types import Types, Version
from tracking.models import Application, Event, EventError, EventType, RejectedEvent
from tracking.problems import Problem
from tracking.validation import ValidEvent, validate

LATEST = 1_000
# Rejected events of one type are found among this many of the latest errors.
LATEST_ERRORS = 10_000
MOST_GROUPS = 20
PATIENCE = "SET LOCAL statement_timeout = '5s'"
# For checking what was found; a dear schema is tried on fewer events.
LONGEST_SECONDS = 5.0


@dataclass(slots=True)
class Group:
    """Events that a schema would reject for the same reason, and one of them."""

    field: str
    code: str
    message: str
    event_id: UUID
    value: str
    events: int = 0


@dataclass(slots=True)
class TryOut:
    """How many events were tried, how many of them would be rejected, and why."""

    events: int = 0
    rejected: int = 0
    groups: list[Group] = field(default_factory=list)
    # Of the events that were rejected and wait to be mended: how many, and how many are right now.
    waiting: int = 0
    mended: int = 0


def try_out(
    schema: dict[str, Any],
    application_id: int | None,
    category: str,
    name: str,
    limit: int = LATEST,
) -> TryOut:
    """Tries a checked `schema` on the newest `limit` events of a type; saves nothing.

    A type for all is not tried on the events of applications that have their own.
    """
    version = Version((application_id, category, name), schema)
    result = TryOut()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PATIENCE)
        applications = _applications(application_id, category, name)
        stored = list(_stored(applications, category, name, limit))
        refused = list(_refused(applications, category, name, limit))
    ends = monotonic() + LONGEST_SECONDS
    _try_stored(version, _until(ends, stored), result)
    _try_refused(event_types.current().having(version), _until(ends, refused), result)
    return result


def _applications(application_id: int | None, category: str, name: str) -> list[int]:
    """Those whose events the type is for."""
    if application_id is not None:
        return [application_id]
    own = EventType.objects.filter(category=category, name=name, application__isnull=False)
    others = Application.objects.exclude(pk__in=own.values("application"))
    return list(others.values_list("pk", flat=True))


# One walk down an index (application, category, id) for each application; data of the newest only.
NEWEST = """
SELECT newest.id FROM unnest(%(applications)s::bigint[]) AS application(id), LATERAL (
    SELECT event.id FROM tracking_event AS event
     WHERE application_id = application.id AND category = %(category)s AND name = %(name)s
     ORDER BY event.id DESC LIMIT %(limit)s
  ) AS newest
 ORDER BY newest.id DESC LIMIT %(limit)s
"""


def _stored(
    applications: list[int], category: str, name: str, limit: int
) -> Iterable[tuple[UUID, dict[str, Any]]]:
    wanted: dict[str, Any] = {
        "applications": applications,
        "category": category,
        "name": name,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, wanted)
        ids = [id for (id,) in cursor.fetchall()]
    return Event.objects.filter(pk__in=ids).order_by("-pk").values_list("pk", "data")


def _refused(
    applications: list[int], category: str, name: str, limit: int
) -> Iterator[RejectedEvent]:
    """The newest rejected events of the type that nobody mended, among the latest errors."""
    latest = EventError.objects.filter(application__in=applications).order_by("-created_at")
    errors = EventError.objects.filter(
        pk__in=latest.values("pk")[:LATEST_ERRORS], category=category, name=name, resolved_at=None
    )
    ids = list(errors.order_by("-pk").values_list("event_id", flat=True))
    wanted = list(dict.fromkeys(ids))[:limit]
    yield from RejectedEvent.objects.filter(pk__in=wanted, resolved_at=None)


def _until[T](ends: float, rows: list[T]) -> Iterator[T]:
    return takewhile(lambda _: monotonic() < ends, rows)


def _try_stored(
    version: Version, events: Iterable[tuple[UUID, dict[str, Any]]], result: TryOut
) -> None:
    groups: dict[tuple[str, str], Group] = {}
    for id, data in events:
        problems = version.problems(data)
        result.events += 1
        result.rejected += bool(problems)
        for problem in problems:
            group = groups.setdefault((problem.place(), problem.code), _group(id, problem))
            group.events += 1
    result.groups = sorted(groups.values(), key=lambda group: -group.events)[:MOST_GROUPS]


def _group(event_id: UUID, problem: Problem) -> Group:
    return Group(problem.place(), problem.code, problem.message, event_id, problem.shown())


def _try_refused(types: Types, events: Iterable[RejectedEvent], result: TryOut) -> None:
    for event in events:
        raw = event.payload.encode()
        mended = validate(raw, event.application_id, event.received_at, types)
        result.waiting += 1
        result.mended += isinstance(mended, ValidEvent)
