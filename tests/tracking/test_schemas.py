"""What a schema finds wrong in an event, in our codes and words."""

import json
import re
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.schema_errors import ANYTHING_ELSE, PROPERTY_CODES, RULES
from tracking.schemas import MAX_PROBLEMS, load

Found = list[tuple[str, str]]


def found(schema: dict[str, Any], data: Any) -> Found:
    return [(problem.field, problem.code) for problem in load(schema).problems(data)]


def of(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


TEXT = {"type": "string"}
# A schema, data that breaks it, and the fields and codes of what is wrong.
BROKEN: list[tuple[dict[str, Any], Any, Found]] = [
    ({"required": ["a", "b"]}, {"b": 1}, [("data.a", "missing")]),
    (of(f={"required": ["x"]}), {"f": {}}, [("data.f.x", "missing")]),
    ({"dependentRequired": {"a": ["b", "c"]}}, {"a": 1, "c": 1}, [("data.b", "missing")]),
    ({"dependencies": {"a": ["b"]}}, {"a": 1}, [("data.b", "missing")]),
    (of(a=TEXT), {"a": 5}, [("data.a", "wrong_type")]),
    (of(a={"type": ["string", "null"]}), {"a": 5}, [("data.a", "wrong_type")]),
    (of(a={"enum": [1, 2]}), {"a": 3}, [("data.a", "not_allowed_value")]),
    (of(a={"const": 1}), {"a": 3}, [("data.a", "not_allowed_value")]),
    (of(a={"minLength": 2}), {"a": "x"}, [("data.a", "too_short")]),
    (of(a={"maxLength": 2}), {"a": "xyz"}, [("data.a", "too_long")]),
    (of(a={"pattern": "^x"}), {"a": "y"}, [("data.a", "wrong_pattern")]),
    (of(a={"format": "email"}), {"a": "y"}, [("data.a", "wrong_format")]),
    (of(a={"format": "date-time"}), {"a": "y"}, [("data.a", "wrong_format")]),
    (of(a={"minimum": 2}), {"a": 1}, [("data.a", "too_small")]),
    (of(a={"maximum": 2}), {"a": 3}, [("data.a", "too_large")]),
    (of(a={"exclusiveMinimum": 2}), {"a": 2}, [("data.a", "too_small")]),
    (of(a={"exclusiveMaximum": 2}), {"a": 2}, [("data.a", "too_large")]),
    (of(a={"multipleOf": 2}), {"a": 3}, [("data.a", "not_a_multiple")]),
    (of(a={"minItems": 2}), {"a": [1]}, [("data.a", "too_few_items")]),
    (of(a={"maxItems": 1}), {"a": [1, 2]}, [("data.a", "too_many_items")]),
    (of(a={"uniqueItems": True}), {"a": [1, 1]}, [("data.a", "repeated_items")]),
    (of(a={"contains": TEXT}), {"a": [1, 1]}, [("data.a", "item_missing")]),
    (of(a={"contains": TEXT, "minContains": 2}), {"a": ["x"]}, [("data.a", "item_missing")]),
    (
        of(a={"contains": TEXT, "maxContains": 1}),
        {"a": ["x"] * 2},
        [("data.a", "too_many_matches")],
    ),
    (of(a={"items": of(x=TEXT)}), {"a": [{}, {"x": 1}]}, [("data.a[1].x", "wrong_type")]),
    (
        of(a={"prefixItems": [TEXT], "items": False}),
        {"a": [1, 2, 3]},
        [
            ("data.a[1]", "unexpected_item"),
            ("data.a[2]", "unexpected_item"),
            ("data.a[0]", "wrong_type"),
        ],
    ),
    (of(a={"unevaluatedItems": False}), {"a": [1]}, [("data.a", "unexpected_item")]),
    ({"minProperties": 2}, {"a": 1}, [("data", "too_few_properties")]),
    ({"maxProperties": 1}, {"a": 1, "b": 1}, [("data", "too_many_properties")]),
    (
        {"properties": {"a": True}, "additionalProperties": False},
        {"a": 1, "b": 1, "c": 1},
        [("data.b", "unknown_property"), ("data.c", "unknown_property")],
    ),
    (
        {"additionalProperties": False},
        {"a": 1, "b": 1},
        [("data.a", "unknown_property"), ("data.b", "unknown_property")],
    ),
    ({"unevaluatedProperties": False}, {"a": 1}, [("data.a", "unknown_property")]),
    (of(a={"additionalProperties": False}), {"a": {"b": 1}}, [("data.a.b", "unknown_property")]),
    ({"additionalProperties": TEXT}, {"a": 1}, [("data.a", "wrong_type")]),
    ({"propertyNames": {"pattern": "^x"}}, {"a": 1, "x": 1}, [("data.a", "wrong_property_name")]),
    ({"propertyNames": False}, {"a": 1}, [("data.a", "wrong_property_name")]),
    (of(a={"anyOf": [TEXT, {"type": "null"}]}), {"a": 1}, [("data.a", "no_form_fits")]),
    (of(a={"oneOf": [TEXT, {"type": "null"}]}), {"a": 1}, [("data.a", "not_exactly_one_form")]),
    (of(a={"oneOf": [True, True]}), {"a": 1}, [("data.a", "not_exactly_one_form")]),
    (of(a={"not": TEXT}), {"a": "x"}, [("data.a", "forbidden_form")]),
    (of(a=False), {"a": 1}, [("data.a", "not_allowed")]),
    (of(items=False), {"items": 1}, [("data.items", "not_allowed")]),
    ({"dependentSchemas": {"a": of(b=TEXT)}}, {"a": 1, "b": 1}, [("data.b", "wrong_type")]),
    (
        {"if": of(a={"const": 1}), "then": {"required": ["b"]}, "else": {"required": ["c"]}},
        {"a": 1},
        [("data.b", "missing")],
    ),
    (
        {"$defs": {"name": TEXT}, **of(a={"$ref": "#/$defs/name"})},
        {"a": 1},
        [("data.a", "wrong_type")],
    ),
    (
        {"$defs": {"name": {"$dynamicAnchor": "n", **TEXT}}, **of(a={"$dynamicRef": "#n"})},
        {"a": 1},
        [("data.a", "wrong_type")],
    ),
    (
        {"additionalProperties": {"required": ["x"]}},
        {"0": {}, "007": {}, "": {}, "+1": {}, "a": {"x": 1}},
        [(f"data.{key}.x", "missing") for key in ("0", "007", "", "+1")],
    ),
    (
        {"additionalProperties": {"additionalProperties": False}},
        {"0": {"a": 1}, "": {"": {}}},
        [("data.0.a", "unknown_property"), ("data..", "unknown_property")],
    ),
    (
        of(**{"7": {"contains": TEXT, "minContains": 2}, "": {"contains": TEXT, "maxContains": 1}}),
        {"7": [], "": ["x", "y"]},
        [("data.7", "item_missing"), ("data.", "too_many_matches")],
    ),
    (
        {"allOf": [of(a=TEXT), of(a=TEXT), of(b=TEXT)]},
        {"a": 1, "b": 2},
        [("data.a", "wrong_type"), ("data.b", "wrong_type")],
    ),
]


@pytest.mark.parametrize(("schema", "data", "expected"), BROKEN, ids=lambda v: json.dumps(v)[:60])
def test_every_keyword_has_a_code_of_ours(schema: Any, data: Any, expected: Found) -> None:
    assert sorted(found(schema, data)) == sorted(expected)


def test_each_wrong_field_is_told() -> None:
    schema = of(form={"required": ["first_name"], **of(age={"minimum": 18})}, host=TEXT)
    assert sorted(found(schema, {"form": {"age": 5}, "host": 7})) == [
        ("data.form.age", "too_small"),
        ("data.form.first_name", "missing"),
        ("data.host", "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 1, "This must be text."),
        ({"type": ["number", "null"]}, "x", "This must be a number or null."),
        ({"enum": ["a", "b", "c"]}, 1, 'This must be "a", "b" or "c".'),
        (
            {"enum": list(range(50))},
            "x",
            "This must be one of 50 values: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and so on.",
        ),
        ({"minLength": 1}, "", "This text needs at least 1 character."),
        ({"maxLength": 2_000}, "x" * 2_001, "This text may have at most 2,000 characters."),
        ({"pattern": "^[a-z]+$"}, "X", 'This text must match the pattern "^[a-z]+$".'),
        ({"format": "uuid"}, "X", "This must be a UUID."),
        ({"minimum": -1_000_000}, -1e7, "This must be -1,000,000 or more."),
        ({"multipleOf": 0.5}, 0.3, "This must be a multiple of 0.5."),
        (
            {"contains": {"type": "string"}, "minContains": 2},
            [1],
            "This array needs at least 2 items of the kind that the event type names.",
        ),
        ({"minProperties": 2}, {}, "This object needs at least 2 properties."),
        ({"anyOf": [False, False]}, 1, "This fits none of the 2 forms that the event type allows."),
    ],
)
def test_messages_say_what_is_asked_for(schema: Any, value: Any, message: str) -> None:
    (problem,) = load(of(a=schema)).problems({"a": value})
    assert problem.message == message


def test_every_message_is_a_sentence() -> None:
    for schema, data, _ in BROKEN:
        for problem in load(schema).problems(data):
            assert re.fullmatch(r"(This|The|No|A) .+\.", problem.message), problem
            assert re.fullmatch(r"[a-z_]+", problem.code)


def test_every_code_is_ours_and_explained() -> None:
    codes = {code for code, _ in RULES.values()} | {*PROPERTY_CODES.values(), ANYTHING_ELSE}
    assert not {"required", "type", "enum", "pattern"} & codes
    text = (Path(__file__).parents[2] / "docs" / "event-types.md").read_text()
    assert [code for code in codes if f"`{code}`" not in text] == []


def test_a_valid_event_has_no_problems() -> None:
    assert found(of(a=TEXT), {"a": "x", "b": 1}) == []


def test_more_than_some_problems_are_not_told() -> None:
    assert len(found(of(a={"items": TEXT}), {"a": [1] * 100})) == MAX_PROBLEMS


def test_text_that_is_none_is_left_to_those_who_report_it() -> None:
    assert found(of(a={"maxLength": 1}), {"a": "xy\ud800"}) == []


DEAR: list[tuple[dict[str, Any], Any]] = [
    (of(a={"items": TEXT}), [1] * 30_000),
    (of(a={"items": {"anyOf": [TEXT, {"type": "null"}]}}), [1] * 30_000),
    (of(a={"items": {"allOf": [{"minLength": n, **TEXT} for n in range(100)]}}), [1] * 30_000),
    (of(a={"items": {"required": ["x"]}}), [{}] * 20_000),
    (of(a={"pattern": "^(a+)+$"}), "a" * 60_000 + "!"),
    (of(a={"pattern": "(a|aa)+$"}), "a" * 60_000 + "!"),
    (of(a={"uniqueItems": True}), [{"n": n} for n in range(6_000)] + [{"n": 0}]),
]


@pytest.mark.parametrize(("schema", "value"), DEAR, ids=lambda v: str(v)[:50])
def test_no_event_takes_long_to_check(schema: Any, value: Any) -> None:
    ready = load(schema)
    start = perf_counter()
    assert ready.problems({"a": value})
    assert perf_counter() - start < 0.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abcdef"), JSON, min_size=1))
def test_whatever_is_sent_the_problems_lie_in_it(data: dict[str, Any]) -> None:
    schema = of(
        a=TEXT, b={"items": TEXT}, c=of(x=TEXT), d={"anyOf": [TEXT, {"minimum": 3}]}, e=False
    )
    for problem in load({**schema, "additionalProperties": False}).problems(data):
        assert problem.field.removeprefix("data.")[0] in data
        assert problem.shown().removesuffix("…").isascii()


KEYS = st.sampled_from(["0", "00", "+1", "1", "", "a", "x"])
NESTED = st.recursive(
    st.none() | st.integers(0, 2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
DEEP = {
    "$defs": {
        "inner": {
            "required": ["x"],
            "additionalProperties": {"$ref": "#/$defs/inner"},
            "items": {"$ref": "#/$defs/inner"},
            "propertyNames": {"maxLength": 1},
        }
    },
    **of(a=False, x={"additionalProperties": False}),
    "additionalProperties": {"$ref": "#/$defs/inner"},
}


@given(st.dictionaries(KEYS, NESTED, min_size=1))
def test_whatever_keys_there_are_what_is_wrong_is_told(data: dict[str, Any]) -> None:
    ready = load(DEEP)
    assert bool(ready.problems(data)) is not ready.validator.is_valid(data)
