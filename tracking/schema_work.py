"""What a schema is made of, and how much work it can be to check an event by it.

A schema may apply several others to the same value, and by `$ref` these may come back to it: the
work then multiplies with each level of the data. It is counted here before anything is checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from tracking.wire import MAX_DEPTH

# How many checks one value, with one value inside it at each level, may need.
MOST_CHECKS = 1_000

Parts = tuple[str | int, ...]
Subschema = dict[str, Any] | bool

SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = (
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "$defs",
    "definitions",
)
REFERENCES = ("$ref", "$dynamicRef")
ANCHORS = ("$anchor", "$dynamicAnchor")


@dataclass(frozen=True, slots=True)
class Shape:
    """The keywords that look into an object, or into an array."""

    one_of: str  # of the schemas under it, a value inside meets one
    all_of: tuple[str, ...]  # and all of these


OBJECT = Shape(
    "properties",
    ("patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"),
)
ARRAY = Shape("prefixItems", ("items", "contains", "unevaluatedItems"))
SINGLE = ("not", "if", "then", "else", "contentSchema", *OBJECT.all_of[1:], *ARRAY.all_of)
UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")


class Endless(ValueError):
    """The schema refers to itself without going deeper into the data."""


def children(schema: Subschema) -> Iterator[tuple[Parts, Subschema]]:
    """The schemas directly inside one, each with the way to it."""
    if not isinstance(schema, dict):
        return
    for keyword in SINGLE:
        if keyword in schema:
            yield (keyword,), schema[keyword]
    for keyword in LISTS:
        for place, inner in enumerate(schema.get(keyword, ())):
            yield (keyword, place), inner
    for keyword in MAPS:
        for name, inner in schema.get(keyword, {}).items():
            if not isinstance(inner, list):  # the older `dependencies` may name properties
                yield (keyword, name), inner


def walk(schema: Subschema, parts: Parts = ()) -> Iterator[tuple[Parts, Subschema]]:
    """The schema and all schemas in it, each with its path."""
    yield parts, schema
    for way, inner in children(schema):
        yield from walk(inner, parts + way)


class Places:
    """Where the schemas in a schema are, and where references lead to."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schemas = dict(walk(schema))
        self._pointers = {"".join(map(_step, parts)): parts for parts in self.schemas}
        self._anchors = {
            inner[keyword]: parts
            for parts, inner in self.schemas.items()
            if isinstance(inner, dict)
            for keyword in ANCHORS
            if keyword in inner
        }

    def target(self, reference: str) -> Parts | None:
        """The path of the schema that `#…` means; None where there is none in this document."""
        if not reference.startswith("#"):
            return None
        fragment = unquote(reference[1:])
        if not fragment or fragment.startswith("/"):
            return self._pointers.get(fragment)
        return self._anchors.get(fragment)


def _step(part: str | int) -> str:
    return "/" + str(part).replace("~", "~0").replace("/", "~1")


def work_of(schema: dict[str, Any]) -> int:
    """How many checks one value needs at most, with all that is inside it on the longest way.

    Counts to a little more than `MOST_CHECKS`. Raises `Endless`.
    """
    try:
        return _Counting(Places(schema)).either((), MAX_DEPTH)
    except RecursionError:
        return MOST_CHECKS + 1


class _Counting:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.known: dict[tuple[Parts, int, bool], int | None] = {}

    def either(self, parts: Parts, depth: int) -> int:
        """For a value that is an object or an array, whichever is more work."""
        return max(self.of(parts, depth, OBJECT), self.of(parts, depth, ARRAY))

    def of(self, parts: Parts, depth: int, shape: Shape) -> int:
        key = (parts, depth, shape is OBJECT)
        if key in self.known:
            if (known := self.known[key]) is None:
                raise Endless
            return known
        self.known[key] = None
        self.known[key] = result = min(self._count(parts, depth, shape), MOST_CHECKS + 1)
        return result

    def _count(self, parts: Parts, depth: int, shape: Shape) -> int:
        schema = self.places.schemas[parts]
        if not isinstance(schema, dict):
            return 1
        total = 1 + len(schema.get("required", ()))
        total += sum(self.of(place, depth, shape) for place in self._same_value(parts, schema))
        if depth:
            total += self._inside(parts, schema, depth - 1, shape)
        # What was evaluated is found out by evaluating it once more.
        return 2 * total if any(keyword in schema for keyword in UNEVALUATED) else total

    def _same_value(self, parts: Parts, schema: dict[str, Any]) -> Iterator[Parts]:
        for way, _ in children(schema):
            if way[0] in SAME_VALUE or way[0] == "dependencies":
                yield parts + way
        for keyword in REFERENCES:
            target = self.places.target(schema[keyword]) if keyword in schema else None
            if target is not None:
                yield target

    def _inside(self, parts: Parts, schema: dict[str, Any], depth: int, shape: Shape) -> int:
        count = partial(self._under, parts, schema, depth)
        return max(count((shape.one_of,)), default=0) + sum(count(shape.all_of))

    def _under(
        self, parts: Parts, schema: dict[str, Any], depth: int, keywords: tuple[str | int, ...]
    ) -> list[int]:
        ways = (way for way, _ in children(schema) if way[0] in keywords)
        return [self.either(parts + way, depth) for way in ways]


def size(value: Any, most: int) -> int:
    """How many values there are in `value`; counts to a little more than `most`."""
    waiting, number = [value], 0
    while waiting and number <= most:
        inner = waiting.pop()
        number += 1
        if isinstance(inner, dict):
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return number


def depth_of(value: Any, most: int) -> int:
    """How deep objects and arrays nest in `value`; counts to one more than `most`."""
    level, depth = [value], 0
    while depth <= most and (level := [v for v in level if isinstance(v, dict | list)]):
        depth += 1
        level = [w for v in level for w in (v.values() if isinstance(v, dict) else v)]
    return depth
