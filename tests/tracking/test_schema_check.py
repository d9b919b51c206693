"""Which schemas may be saved, and what is said of the others."""

import json
import socket
from time import perf_counter
from typing import Any

import pytest

from tracking.built_in_types import SCHEMAS
from tracking.schema_check import DRAFT, MAX_BYTES, check
from tracking.schema_work import MOST_CHECKS, work_of
from tracking.schemas import load

TEXT = {"type": "string"}


def wrong(schema: Any) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in check(schema)]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = dict(TEXT)
    for _ in range(depth):
        schema = {"not": schema}
    return schema


VALUE = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#/$defs/value"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/value"}},
    ]
}
GOOD: list[dict[str, Any]] = [
    {},
    TEXT,
    {"$schema": DRAFT, "type": "object", "required": ["form"]},
    {"properties": {"$id": TEXT, "$ref": TEXT, "$schema": TEXT, "type": TEXT, "pattern": TEXT}},
    {"$defs": {"name": TEXT}, "properties": {"a": {"$ref": "#/$defs/name"}}},
    {"$defs": {"a%b/c": TEXT}, "properties": {"a": {"$ref": "#/$defs/a%25b~1c"}}},
    {"$defs": {"n": {"$anchor": "name", **TEXT}}, "properties": {"a": {"$ref": "#name"}}},
    {"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}},
    {"$defs": {"value": VALUE}, "properties": {"form": {"$ref": "#/$defs/value"}}},
    {"enum": [{"$ref": "https://elsewhere.example/"}]},
    {"pattern": r"^\d{4}-\d{2}$", "patternProperties": {"^x-": True}},
    {"properties": {"a": {"description": "what nobody checks", "x-ours": 1}}},
]


@pytest.mark.parametrize("schema", [*GOOD, *SCHEMAS.values()], ids=lambda s: json.dumps(s)[:60])
def test_a_good_schema_may_be_saved(schema: dict[str, Any]) -> None:
    assert wrong(schema) == []
    load(schema)


BAD: list[tuple[Any, list[tuple[str, str]]]] = [
    ([], [("", "not_an_object")]),
    (True, [("", "not_an_object")]),
    ("{}", [("", "not_an_object")]),
    (nested(33), [("", "too_deep")]),
    ({"const": "x" * MAX_BYTES}, [("", "too_large")]),
    ({"const": "\0"}, [("const", "nul_character")]),
    ({"const": "\ud800"}, [("const", "lone_surrogate")]),
    ({"type": "strin"}, [("type", "not_a_type")]),
    ({"properties": {"a": {"type": ["string", "x"]}}}, [("properties.a.type", "not_a_type")]),
    ({"properties": {"type": 5}}, [("properties.type", "wrong_type")]),
    ({"properties": {"0": {"type": "x"}}}, [("properties.0.type", "not_a_type")]),
    ({"properties": 5, "minimum": "x"}, [("properties", "wrong_type"), ("minimum", "wrong_type")]),
    ({"items": [TEXT]}, [("items", "wrong_type")]),
    ({"minLength": -1}, [("minLength", "too_small")]),
    ({"multipleOf": 0}, [("multipleOf", "too_small")]),
    ({"pattern": "(?=a)b"}, [("pattern", "not_a_pattern")]),
    ({"pattern": r"(a)\1"}, [("pattern", "not_a_pattern")]),
    ({"pattern": "("}, [("pattern", "not_a_pattern")]),
    ({"pattern": "((a{1000}){1000}){1000}"}, [("pattern", "not_a_pattern")]),
    ({"patternProperties": {"(?<!a)b": True}}, [("patternProperties.(?<!a)b", "not_a_pattern")]),
    ({"allOf": [{"pattern": f"x{n}"} for n in range(200)]}, [("", "too_many_patterns")]),
    ({"$ref": "https://elsewhere.example/schema"}, [("$ref", "no_such_schema")]),
    ({"$ref": "file:///etc/passwd"}, [("$ref", "no_such_schema")]),
    ({"$ref": "other.json"}, [("$ref", "no_such_schema")]),
    ({"$ref": DRAFT}, [("$ref", "no_such_schema")]),
    ({"$ref": "#/$defs/nothing"}, [("$ref", "no_such_schema")]),
    ({"x": {"$ref": "http://elsewhere.example"}, "$ref": "#/x"}, [("$ref", "no_such_schema")]),
    (
        {"items": {"$dynamicRef": "//elsewhere.example#a"}},
        [("items.$dynamicRef", "no_such_schema")],
    ),
    ({"$id": "https://elsewhere.example/"}, [("$id", "has_an_id")]),
    ({"$defs": {"a": {"$id": "b"}}}, [("$defs.a.$id", "has_an_id")]),
    ({"$schema": "http://json-schema.org/draft-07/schema#"}, [("$schema", "other_draft")]),
    ({"$schema": "https://elsewhere.example/draft"}, [("$schema", "other_draft")]),
    ({"not": {"$schema": DRAFT}}, [("not.$schema", "other_draft")]),
    ({"$ref": "#"}, [("", "endless")]),
    ({"allOf": [{"$ref": "#"}]}, [("", "endless")]),
    (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        [("", "endless")],
    ),
    ({"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}, [("", "too_much_work")]),
    ({"anyOf": [{"items": {"$ref": "#"}}] * 2}, [("", "too_much_work")]),
]


@pytest.mark.parametrize(("schema", "expected"), BAD, ids=lambda v: json.dumps(v)[:60])
def test_what_is_wrong_with_a_schema_is_said_with_its_place(
    schema: Any, expected: list[tuple[str, str]]
) -> None:
    assert sorted(wrong(schema)) == sorted(expected)
    assert all(
        problem.message.endswith(".") or DRAFT in problem.message for problem in check(schema)
    )


def doubling(levels: int) -> dict[str, Any]:
    """Each level applies the next one twice to the same value."""
    names = [f"level{n}" for n in range(levels)]
    defs: dict[str, Any] = {
        name: {"allOf": [{"$ref": f"#/$defs/{after}"}] * 2}
        for name, after in zip(names, [*names[1:], "last"], strict=True)
    }
    return {"$defs": {**defs, "last": TEXT}, "$ref": "#/$defs/level0"}


@pytest.mark.parametrize("levels", [10, 30, 200])
def test_a_schema_that_multiplies_its_work_is_refused_at_once(levels: int) -> None:
    start = perf_counter()
    assert wrong(doubling(levels)) == [("", "too_much_work")]
    assert perf_counter() - start < 2


def test_a_few_levels_are_fine() -> None:
    assert wrong(doubling(5)) == []


def test_a_chain_of_many_references_is_refused_not_crashed_over() -> None:
    defs: dict[str, Any] = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(800)}
    assert wrong({"$defs": {**defs, "d800": TEXT}, "$ref": "#/$defs/d0"}) in (
        [],
        [("", "too_much_work")],
    )


def test_a_tree_costs_in_proportion_to_its_depth() -> None:
    tree = {"properties": {"children": {"items": {"$ref": "#"}}, "name": TEXT}}
    assert work_of(tree) < 100 < MOST_CHECKS


def test_nothing_is_fetched_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*args: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        for schema in ({"$ref": address}, {"$schema": address}, {"$id": address}):
            assert check(schema)
        with pytest.raises(TimeoutError):
            server.accept()
