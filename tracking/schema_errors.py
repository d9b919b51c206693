"""What a JSON Schema finds wrong, as our problems: one stable code a keyword, and our own words."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema_rs import ValidationError

from tracking.problems import Problem

MOST_OPTIONS = 10
MOST_CHARACTERS = 100
TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}
FORMATS = {
    "date": "a date like 2026-01-31",
    "date-time": "a date and time like 2026-01-31T12:00:00Z",
    "duration": "a duration like PT1H30M",
    "email": "an e-mail address",
    "hostname": "a host name like shop.example",
    "idn-email": "an e-mail address",
    "idn-hostname": "a host name like shop.example",
    "ipv4": "an IPv4 address like 192.0.2.1",
    "ipv6": "an IPv6 address like 2001:db8::1",
    "iri": "an address with its scheme, like https://shop.example/",
    "iri-reference": "an address, or the end of one",
    "json-pointer": "a JSON pointer like /form/name",
    "regex": "a regular expression",
    "relative-json-pointer": "a relative JSON pointer like 1/name",
    "time": "a time with its zone, like 12:00:00Z",
    "uri": "an address with its scheme, like https://shop.example/",
    "uri-reference": "an address, or the end of one",
    "uri-template": "a template of addresses like /users/{id}",
    "uuid": "a UUID",
}
# Places of a schema where names stand that are no keywords.
NAMED = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}

MISSING = "The event type asks for this property. Send it."
UNKNOWN = "The event type knows no such property. Leave it out, or correct its name."
BAD_NAME = "A property may not have this name in an event of this type."
BROKEN = "This is not what the event type asks for."


def count(number: Any, thing: str) -> str:
    many = thing if number == 1 else f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{told(number)} {many}"


def told(value: Any) -> str:
    """A value of the schema as a reader knows it: numbers with commas, the rest as JSON."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def either(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _types(types: list[str]) -> str:
    in_order = sorted(types, key=lambda name: name == "null")
    return f"This must be {either([TYPES.get(name, name) for name in in_order])}."


def _options(options: list[Any]) -> str:
    if len(options) > MOST_OPTIONS:
        shown = ", ".join(told(option) for option in options[:MOST_OPTIONS])
        return f"This must be one of {len(options):,} values: {shown} and so on."
    return f"This must be {either([told(option) for option in options])}." if options else BROKEN


def _format(name: str) -> str:
    return f"This must be {FORMATS.get(name, f'in the format {name}')}."


# The keys and places on the way to a value, and the value.
Place = tuple[list[str | int], Any]
Rule = tuple[str, Callable[[Any], str]]

# keyword → its code, and what to say of the limit that the schema sets with it.
RULES: dict[str, Rule] = {
    "type": ("wrong_type", _types),
    "enum": ("not_allowed_value", _options),
    "const": ("not_allowed_value", lambda value: f"This must be {told(value)}."),
    "minLength": ("too_short", lambda n: f"This text needs at least {count(n, 'character')}."),
    "maxLength": ("too_long", lambda n: f"This text may have at most {count(n, 'character')}."),
    "pattern": ("wrong_pattern", lambda text: f"This text must match the pattern {told(text)}."),
    "format": ("wrong_format", _format),
    "minimum": ("too_small", lambda n: f"This must be {told(n)} or more."),
    "maximum": ("too_large", lambda n: f"This must be {told(n)} or less."),
    "exclusiveMinimum": ("too_small", lambda n: f"This must be more than {told(n)}."),
    "exclusiveMaximum": ("too_large", lambda n: f"This must be less than {told(n)}."),
    "multipleOf": ("not_a_multiple", lambda n: f"This must be a multiple of {told(n)}."),
    "minItems": ("too_few_items", lambda n: f"This array needs at least {count(n, 'item')}."),
    "maxItems": ("too_many_items", lambda n: f"This array may have at most {count(n, 'item')}."),
    "uniqueItems": ("repeated_items", lambda _: "No item of this array may stand in it twice."),
    "contains": (
        "item_missing",
        lambda _: "This array needs an item of the kind that the event type names.",
    ),
    "minContains": (
        "item_missing",
        lambda n: (
            f"This array needs at least {count(n, 'item')} of the kind that the event type names."
        ),
    ),
    "maxContains": (
        "too_many_matches",
        lambda n: (
            f"This array may have at most {count(n, 'item')} of the kind that the event type names."
        ),
    ),
    "items": ("unexpected_item", lambda _: "The event type has no place for this item."),
    "additionalItems": ("unexpected_item", lambda _: "The event type has no place for more items."),
    "unevaluatedItems": (
        "unexpected_item",
        lambda _: "This array has items for which the event type has no place.",
    ),
    "minProperties": (
        "too_few_properties",
        lambda n: f"This object needs at least {count(n, 'property')}.",
    ),
    "maxProperties": (
        "too_many_properties",
        lambda n: f"This object may have at most {count(n, 'property')}.",
    ),
    "anyOf": (
        "no_form_fits",
        lambda forms: (
            f"This fits none of the {count(len(forms), 'form')} that the event type allows."
        ),
    ),
    "oneOf": (
        "not_exactly_one_form",
        lambda forms: (
            f"This must fit exactly one of the {count(len(forms), 'form')} that the event type allows."
        ),
    ),
    "not": ("forbidden_form", lambda _: "This has a form that the event type forbids."),
    "falseSchema": ("not_allowed", lambda _: "The event type does not allow this. Leave it out."),
    "contentEncoding": (
        "wrong_encoding",
        lambda name: f"This text must be encoded as {told(name)}.",
    ),
    "contentMediaType": ("wrong_media_type", lambda name: f"This text must hold {told(name)}."),
}
# These name a property: the problem is the property's, not that of the object it is in.
PROPERTY_CODES = {
    "required": "missing",
    "dependentRequired": "missing",
    "dependencies": "missing",
    "additionalProperties": "unknown_property",
    "unevaluatedProperties": "unknown_property",
    "propertyNames": "wrong_property_name",
}
ANYTHING_ELSE = "breaks_schema"


def problems_of(
    error: ValidationError, schema: dict[str, Any], whole: Any, root: str
) -> Iterator[Problem]:
    """What `schema` finds wrong in `whole`, as problems whose paths begin with `root`."""
    keyword = keyword_of(error)
    if keyword in PROPERTY_CODES:
        yield from _of_properties(keyword, error, whole, root)
    else:
        code, message = RULES.get(keyword, (ANYTHING_ELSE, lambda _: BROKEN))
        path = place_of(error, whole, root)
        yield Problem(path, code, message(limit_of(error, schema)), error.instance)


def keyword_of(error: ValidationError) -> str:
    """The keyword that was broken, told from the schema's own path where it says more."""
    name = str(error.kind.name)
    last = error.schema_path[-1] if error.schema_path else None
    if name == "contains":
        return str(last)
    named = len(error.schema_path) > 1 and error.schema_path[-2] in NAMED
    if name == "falseSchema" and not named and (last in RULES or last in PROPERTY_CODES):
        return str(last)
    return name


def limit_of(error: ValidationError, schema: dict[str, Any]) -> Any:
    """What the schema says of the keyword."""
    if error.kind.name == "contains":  # of which the library does not tell it
        return next((limit for _, limit in ways(schema, error.schema_path)), None)
    return getattr(error.kind, "value", None)


def place_of(error: ValidationError, whole: Any, root: str) -> str:
    """The path of what the error is about."""
    places = ways(whole, error.instance_path)
    found = (way for way, value in places if value == error.instance)
    return path_of(next(found, error.instance_path), root)


def path_of(parts: list[str | int], root: str) -> str:
    """`data.items[3].x`."""
    path = root
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else inside(path, part)
    return path


def inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _of_properties(
    keyword: str, error: ValidationError, whole: Any, root: str
) -> Iterator[Problem]:
    way, owner = _owner(error, whole)
    path = path_of(way, root)
    if keyword in {"required", "dependentRequired", "dependencies"}:
        yield Problem(inside(path, str(error.kind.value)), "missing", MISSING)
        return
    code, text = PROPERTY_CODES[keyword], BAD_NAME if keyword == "propertyNames" else UNKNOWN
    for name in _names(error, owner):
        yield Problem(inside(path, name), code, text, owner.get(name))


def _owner(error: ValidationError, whole: Any) -> Place:
    """The object that an error is about. A plain `false` tells one of the values in it."""
    places = [p for p in ways(whole, error.instance_path) if isinstance(p[1], dict)]
    same = [p for p in places if error.instance == p[1]]
    around = [p for p in places if error.instance in p[1].values()]
    plain = error.kind.name == "falseSchema" and error.schema_path[-1] != "propertyNames"
    return [*(around if plain else same), *places, (error.instance_path, {})][0]


def _names(error: ValidationError, owner: dict[str, Any]) -> list[str]:
    """The properties that an error is about. A plain `false` is about all of them."""
    value: Any = getattr(error.kind, "value", None)
    if isinstance(value, list):
        return value
    return [str(value.instance)] if isinstance(value, ValidationError) else list(owner)


def ways(whole: Any, path: list[str | int]) -> Iterator[Place]:
    """The places that a path of the library's may mean.

    It tells keys like "7", "007" and "+7" as the number 7, and leaves out those that are empty.
    """
    if not path:
        yield [], whole
    for part, rest in _steps(whole, path):
        yield from (([part, *way], value) for way, value in ways(whole[part], rest))


def _steps(whole: Any, path: list[str | int]) -> Iterator[tuple[str | int, list[str | int]]]:
    if isinstance(whole, dict):
        yield from ((key, path[1:]) for key in _keys(whole, path))
        if "" in whole:
            yield "", path
    elif isinstance(whole, list) and path and path[0] in range(len(whole)):
        yield path[0], path[1:]


def _keys(whole: dict[str, Any], path: list[str | int]) -> list[str]:
    match path:
        case [str(key), *_]:
            return [key] if key in whole else []
        case [int(number), *_]:
            same = re.compile(rf"\+?0*{number}")
            return [key for key in whole if same.fullmatch(key)]
    return []
