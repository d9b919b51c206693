"""Event types in force: which schema an event's data is checked by, with some seconds of memory."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import monotonic
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from jsonschema_rs import ReferencingError, ValidationError

from tracking.built_in_types import SCHEMAS
from tracking.models import Application, EventType, SchemaVersion
from tracking.problems import Problem
from tracking.schemas import Schema, load

logger = logging.getLogger(__name__)

# How long a process goes on with the types it knows; after so long a new version counts.
MEMORY_SECONDS = 2.0
UNKNOWN_TYPE = (
    "This application sends known types of events only, and this is none. Correct the category "
    "and the name, or have staff add the event type in the admin."
)

type Check = Callable[[dict[str, Any]], bool]
# An application (None: all of them), a category and a name.
Key = tuple[int | None, str, str]


class Version:
    """One version of a type's schema, compiled when the first event needs it."""

    def __init__(self, key: Key, text: dict[str, Any]) -> None:
        self.key = key
        self.text = text

    @cached_property
    def schema(self) -> Schema | None:
        """None where nothing is to be checked."""
        _, category, name = self.key
        if category == "pointer" and self.text == SCHEMAS.get((category, name)):
            return None  # pointer_events.py asks for all that and more, in a third of the time
        try:
            return load(self.text)
        except (ValidationError, ReferencingError, ValueError):
            # It was checked when it was saved; an event must not suffer from it.
            logger.exception("The schema of %s/%s cannot be used", category, name)
            return None

    def problems(self, data: dict[str, Any]) -> list[Problem]:
        return self.schema.problems(data) if self.schema else []


@dataclass(frozen=True, slots=True)
class Types:
    """All event types, at one moment, and the applications that ask for more of their events."""

    versions: Mapping[Key, Version]
    strict: frozenset[int]
    # For how many days those keep their events that do not keep them for ever.
    retention: Mapping[int, int] = field(default_factory=dict)

    def problems(
        self, application_id: int, category: str, name: str, data: dict[str, Any]
    ) -> list[Problem]:
        """What is wrong with the type of such an event, or with its data."""
        version = self.version(application_id, category, name)
        if version is not None:
            return version.problems(data)
        if application_id in self.strict:
            return [Problem("name", "unknown_type", UNKNOWN_TYPE, f"{category} / {name}")]
        return []

    def check(self, application_id: int, category: str, name: str) -> Check:
        """What tells whether nothing is wrong with such an event's data: `problems` has none."""
        version = self.version(application_id, category, name)
        if version is None:
            known = application_id not in self.strict
            return lambda data: known
        return version.schema.validator.is_valid if version.schema else lambda data: True

    def version(self, application_id: int, category: str, name: str) -> Version | None:
        """An application's own type goes before the one for all."""
        own = self.versions.get((application_id, category, name))
        return own or self.versions.get((None, category, name))

    def having(self, version: Version) -> "Types":
        """The same with this version in force."""
        return replace(self, versions={**self.versions, version.key: version})


_current: tuple[float, Types | None] = (0.0, None)
_versions: dict[int, Version] = {}


def current() -> Types:
    """The types in force, as of some seconds ago."""
    global _current
    until, types = _current
    if types is None or monotonic() >= until:
        types = _load()
        _current = (monotonic() + MEMORY_SECONDS, types)
    return types


def forget() -> None:
    """Drops what this process remembers of event types."""
    global _current
    _current = (0.0, None)
    _versions.clear()


def _load() -> Types:
    global _versions
    newest = SchemaVersion.objects.order_by("event_type_id", "-number").distinct("event_type_id")
    ids = list(newest.values_list("pk", flat=True))
    known = {id: _versions[id] for id in ids if id in _versions}
    _versions = known | _read(set(ids) - known.keys())
    asking = Application.objects.filter(Q(strict=True) | Q(retention_days__isnull=False))
    rows = asking.values_list("pk", "strict", "retention_days")
    return Types(
        {version.key: version for version in _versions.values()},
        frozenset(id for id, strict, _ in rows if strict),
        {id: days for id, _, days in rows if days is not None},
    )


def _read(ids: set[int]) -> dict[int, Version]:
    if not ids:
        return {}
    rows = SchemaVersion.objects.filter(pk__in=ids).values_list(
        "pk",
        "event_type__application",
        "event_type__category",
        "event_type__name",
        "schema",
    )
    return {
        id: Version((application, category, name), schema)
        for id, application, category, name, schema in rows
    }


def add_version(
    event_type: EventType, schema: dict[str, Any], user: AbstractBaseUser | None
) -> SchemaVersion | None:
    """Puts a schema in force; None where the newest version is the same already."""
    with transaction.atomic():
        # Of two who save at once, the second gets the next number.
        EventType.objects.select_for_update().get(pk=event_type.pk)
        newest = event_type.versions.first()
        if newest is not None and canonical(newest.schema) == canonical(schema):
            return None
        number = newest.number + 1 if newest else 1
        version = SchemaVersion(event_type=event_type, number=number, schema=schema)
        version.created_by_id = user.pk if user else None
        version.save()
    forget()
    return version


def canonical(schema: Any) -> str:
    """The same text for the same JSON, whatever the order of its keys."""
    return json.dumps(schema, sort_keys=True)
