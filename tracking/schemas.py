"""JSON Schemas, compiled: draft 2020-12, offline, and bounded in what checking an event costs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from tracking.problems import Problem
from tracking.schema_errors import problems_of
from tracking.schema_work import size, work_of

MAX_PROBLEMS = 20
# The engine whose time is linear in the text: it has no look-around and no back-references.
PATTERNS = RegexOptions(size_limit=512 * 1024)
# All errors of an event are made before the first is read. Where that might be very many (values
# of the event × what the schema does with each), only the first one is looked for.
MOST_WORK = 2_000


def compiled(schema: dict[str, Any]) -> Draft202012Validator:
    """Raises `ValidationError` or `ReferencingError`. Fetches nothing, from nowhere."""
    return Draft202012Validator(
        schema, pattern_options=PATTERNS, validate_formats=True, offline=True
    )


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema ready to check the data of events."""

    text: dict[str, Any]
    validator: Draft202012Validator
    work: int

    def problems(self, data: dict[str, Any]) -> list[Problem]:
        """What is wrong with an event's `data`: each field and code once, at most 20."""
        try:
            if self.validator.is_valid(data):
                return []
            errors = self._errors(data)
        except UnicodeError:  # half a surrogate pair, which is reported as that
            return []
        found = (p for error in errors for p in problems_of(error, self.text, data, "data"))
        return list(islice(first_of_each(found), MAX_PROBLEMS))

    def _errors(self, data: dict[str, Any]) -> list[ValidationError]:
        if size(data, MOST_WORK) * self.work <= MOST_WORK:
            return list(self.validator.iter_errors(data))
        try:
            self.validator.validate(data)
        except ValidationError as error:
            return [error]
        return []


def first_of_each(problems: Iterable[Problem]) -> Iterator[Problem]:
    """One problem for each field and code: several parts of a schema may say the same."""
    seen = set()
    for problem in problems:
        if (key := (problem.field, problem.code)) not in seen:
            seen.add(key)
            yield problem


def load(schema: dict[str, Any]) -> Schema:
    """Compiles a schema. Raises `ValidationError`, `ReferencingError` or `Endless`."""
    return Schema(schema, compiled(schema), work_of(schema))
