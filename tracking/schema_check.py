"""Whether a schema may be an event type's: valid, bounded, and complete in itself."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, ReferencingError, ValidationError

from tracking import values
from tracking.problems import Problem
from tracking.schema_errors import NAMED, inside, path_of, place_of, problems_of
from tracking.schema_work import (
    MOST_CHECKS,
    REFERENCES,
    Endless,
    Parts,
    Places,
    depth_of,
    work_of,
)
from tracking.schemas import MAX_PROBLEMS, compiled, first_of_each
from tracking.wire import MAX_DEPTH

MAX_BYTES = 32 * 1024
MAX_PATTERNS = 100
DRAFT = "https://json-schema.org/draft/2020-12/schema"
# The draft's own schema of schemas, which the library brings with it. Formats are not looked at:
# patterns are checked below, for the engine in use.
META: dict[str, Any] = {"$ref": DRAFT}
BY_THE_DRAFT = Draft202012Validator(META, offline=True)

NO_REFERENCE = "A reference leads to a schema in this document: write #/$defs/NAME, and NAME there."
NO_PATTERN = (
    "This pattern cannot be used: write a regular expression without look-around and "
    "back-references, and without huge repetitions."
)
NO_TYPE = "type is array, boolean, integer, null, number, object or string, or several in an array."
ENDLESS = "The schema refers to itself without going deeper into the data. Break the circle."
TOO_MUCH = (
    f"One event could need more than {MOST_CHECKS:,} checks on the way to one value. "
    "Apply fewer schemas to the same value, above all where the schema refers to itself."
)


def check(schema: Any) -> list[Problem]:
    """What is wrong with a schema, each with its path in it; nothing where it may be saved."""
    for step in (_bounds, _by_the_draft, _rules, _work):
        found = list(islice(first_of_each(step(schema)), MAX_PROBLEMS))
        if found:
            return found
    return list(_compiling(schema))


def _bounds(schema: Any) -> Iterator[Problem]:
    if not isinstance(schema, dict):
        yield Problem("", "not_an_object", 'A schema is a JSON object, like {"type": "object"}.')
        return
    if depth_of(schema, MAX_DEPTH) > MAX_DEPTH:
        message = f"A schema may nest {MAX_DEPTH} deep. Move the inner parts to $defs."
        yield Problem("", "too_deep", message)
        return
    text = json.dumps(schema).encode()
    if len(text) > MAX_BYTES:
        message = f"A schema may have {MAX_BYTES:,} bytes; this has {len(text):,}. Shorten it."
        yield Problem("", "too_large", message)
    yield from values.problems(schema, text)


def _by_the_draft(schema: dict[str, Any]) -> Iterator[Problem]:
    for error in BY_THE_DRAFT.iter_errors(schema):
        if error.instance_path and error.instance_path[-1] == "type" and not _is_name(error):
            yield Problem(place_of(error, schema, ""), "not_a_type", NO_TYPE, error.instance)
        else:
            yield from problems_of(error, META, schema, "")


def _is_name(error: ValidationError) -> bool:
    """Whether `type` is here the name of a property, not the keyword."""
    return len(error.instance_path) > 1 and error.instance_path[-2] in NAMED


def _rules(schema: dict[str, Any]) -> Iterator[Problem]:
    places = Places(schema)
    patterns = 0
    for parts, inner in places.schemas.items():
        if isinstance(inner, dict):
            yield from _document(inner, parts)
            yield from _references(inner, parts, places)
            for path, pattern in _patterns(inner, parts):
                patterns += 1
                yield from _pattern(path, pattern, patterns)


def _document(schema: dict[str, Any], parts: Parts) -> Iterator[Problem]:
    path = path_of(list(parts), "")
    draft = schema.get("$schema", DRAFT)
    if parts and "$schema" in schema:
        message = "$schema stands at the top of the document only. Leave it out here."
        yield Problem(inside(path, "$schema"), "other_draft", message, draft)
    elif str(draft).removesuffix("#") != DRAFT:
        message = f"Schemas are of draft 2020-12. Leave $schema out, or write {DRAFT}"
        yield Problem("$schema", "other_draft", message, draft)
    if "$id" in schema:
        message = "The schema is this document alone and needs no $id. Leave it out."
        yield Problem(inside(path, "$id"), "has_an_id", message, schema["$id"])


def _references(schema: dict[str, Any], parts: Parts, places: Places) -> Iterator[Problem]:
    for keyword in REFERENCES:
        if keyword in schema and places.target(schema[keyword]) is None:
            path = inside(path_of(list(parts), ""), keyword)
            yield Problem(path, "no_such_schema", NO_REFERENCE, schema[keyword])


def _patterns(schema: dict[str, Any], parts: Parts) -> Iterator[tuple[str, str]]:
    """The regular expressions of one schema, each with its path."""
    if "pattern" in schema:
        yield path_of([*parts, "pattern"], ""), schema["pattern"]
    for pattern in schema.get("patternProperties", {}):
        yield path_of([*parts, "patternProperties", pattern], ""), pattern


def _pattern(path: str, pattern: str, number: int) -> Iterator[Problem]:
    if number > MAX_PATTERNS:
        message = f"A schema may have {MAX_PATTERNS} patterns. Use fewer."
        yield Problem("", "too_many_patterns", message)
        return
    try:
        compiled({"pattern": pattern})
    except ValidationError:
        yield Problem(path, "not_a_pattern", NO_PATTERN, pattern)


def _work(schema: dict[str, Any]) -> Iterator[Problem]:
    try:
        if work_of(schema) > MOST_CHECKS:
            yield Problem("", "too_much_work", TOO_MUCH)
    except Endless:
        yield Problem("", "endless", ENDLESS)


def _compiling(schema: dict[str, Any]) -> Iterator[Problem]:
    try:
        compiled(schema)
    except (ValidationError, ReferencingError, ValueError):
        message = "The schema is valid, and yet cannot be used. Make it simpler."
        yield Problem("", "not_usable", message)
