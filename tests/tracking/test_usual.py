"""The quick way through validation gives what the thorough one gives, or leaves the event to it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cast import event, move, path
from tracking import values, wire
from tracking.built_in_types import SCHEMAS
from tracking.event_types import Types, Version
from tracking.usual import Reader
from tracking.validation import Rejected, ValidEvent, validate

SESSION = UUID("0b0e4f1c-6f57-4d6a-9f0e-5f0f3c1c2d3e")
RECEIVED = datetime.now(UTC)
APPLICATION = 7
OWN = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
TYPES = Types(
    {
        **{(None, *kind): Version((None, *kind), schema) for kind, schema in SCHEMAS.items()},
        (APPLICATION, "shop", "sale"): Version((APPLICATION, "shop", "sale"), OWN),
    },
    frozenset(),
)
STRICT = Types(TYPES.versions, frozenset({APPLICATION}))
FORGETFUL = Types(TYPES.versions, frozenset(), {APPLICATION: 1_000})


def quick(raw: bytes, types: Types = TYPES) -> ValidEvent | None:
    if values.suspicious(raw):
        return None
    reader = Reader(APPLICATION, types)
    return reader.read(raw, reader.window(RECEIVED))


def thorough(raw: bytes, types: Types = TYPES) -> ValidEvent | Rejected:
    return validate(raw, APPLICATION, RECEIVED, types)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
pixels = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
ticks = st.lists(st.integers(0, 10**4) | st.floats(0, 1e4), min_size=2, max_size=2).map(sorted)
points = st.fixed_dictionaries({"x": pixels, "y": pixels})
paths = st.fixed_dictionaries(
    {"t": ticks, "x": st.tuples(pixels, pixels), "y": st.tuples(pixels, pixels)},
    optional={"page": st.fixed_dictionaries({"path": texts})},
)
some_data = st.dictionaries(texts, anything, min_size=1, max_size=4)
right_kinds = st.one_of(
    st.tuples(st.just("pointer"), st.sampled_from(["move", "click"]), points),
    st.tuples(st.just("pointer"), st.just("path"), paths),
    st.tuples(st.just("shop"), st.just("sale"), st.fixed_dictionaries({"price": numbers})),
    st.tuples(texts.filter(bool), st.just("\U0001f441" * 200), some_data),
)
moments = st.datetimes(datetime(2001, 1, 1), RECEIVED.replace(tzinfo=None) - timedelta(days=1))
right = {
    "session_id": st.uuids().flatmap(
        lambda id: st.sampled_from([str(id), id.hex, f"{id}".upper()])
    ),
    "timestamp": st.builds(
        lambda moment, separator, zone: moment.isoformat(separator) + zone,
        moments,
        st.sampled_from("T "),
        st.sampled_from(["", "Z", "+05:45", "-11:30"]),
    ),
}
at_the_edges = {
    "session_id": st.uuids().flatmap(lambda id: st.sampled_from([f"{{{id}}}", id.urn])),
    "category": st.sampled_from(["", "x" * 201, "pointer"]),
    "name": st.sampled_from(["", "\U0001f441" * 201, "path", "sale", "pageview"]),
    "data": st.just({})
    | st.fixed_dictionaries({"price": texts})
    | st.fixed_dictionaries(
        {
            axis: st.lists(
                st.sampled_from([-1, 0, 5, 4.5, 2**53, 2**53 + 1, 10**6 + 1, True, None])
            )
            for axis in "txy"
        }
    ),
    "timestamp": st.sampled_from(
        ["1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now"]
    )
    | st.integers(59, 61).map(lambda s: (RECEIVED + timedelta(seconds=s)).isoformat()),
    "id": st.sampled_from(["", "7", "x" * 100, "x" * 101]),
}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Right ones; and such with one field at an edge, of another kind, or missing."""
    category, name, data = draw(right_kinds)
    sent = {field: draw(values) for field, values in right.items()}
    sent |= {"category": category, "name": name, "data": data}
    sent |= draw(st.fixed_dictionaries({}, optional={"id": texts, "extra": anything}))
    field = draw(st.sampled_from([None, None, None, *at_the_edges]))
    if field:
        sent[field] = draw(at_the_edges[field] | anything)
        if sent[field] is None and draw(st.booleans()):
            del sent[field]
    return sent


@given(sent=events(), ascii=st.booleans(), types=st.sampled_from([TYPES, STRICT, FORGETFUL]))
def test_both_ways_give_the_same(sent: dict[str, Any], ascii: bool, types: Types) -> None:
    raw = json.dumps(sent, ensure_ascii=ascii).encode()
    usual = quick(raw, types)
    found = thorough(raw, types)
    if usual is not None:
        assert usual == found
    elif not values.suspicious(raw):
        assert isinstance(found, Rejected) or "session_id" not in sent or sent["session_id"] is None


@given(sent=events())
def test_a_field_that_comes_twice_counts_as_it_comes_last(sent: dict[str, Any]) -> None:
    raw = json.dumps(sent).encode()
    doubled = raw[:-1] + b", " + json.dumps(event(SESSION)).encode()[1:]
    usual = quick(doubled)
    if usual is not None:
        assert usual == thorough(doubled)


@pytest.mark.parametrize(
    "sent",
    [
        event(SESSION),
        event(str(SESSION).upper()),
        event(SESSION.hex),
        event(SESSION, id="7"),
        event(SESSION, id=None),
        event(SESSION, timestamp="2021-01-01 09:15:27.243860"),
        event(SESSION, data={"é": ["\u202e", 1.5, None, {"a": [True]}]}),
        event(SESSION, category="shop", name="sale", data={"price": 3}),
        move(SESSION, 0, 1, 2.5),
        path(SESSION, 0, [0, 0, 1.5], [-1e6, 0, 1e6], [0, 0, 0.25]),
    ],
)
def test_what_is_usual_needs_the_quick_way_only(sent: dict[str, Any]) -> None:
    raw = json.dumps(sent).encode()
    assert quick(raw) == thorough(raw)
    assert isinstance(thorough(raw), ValidEvent)


@pytest.mark.parametrize(
    "sent",
    [
        {"session": {"id": str(SESSION)}},
        event(SESSION, data={str(n): 1 for n in range(1_001)}),
        event(SESSION, data={}),
        event(SESSION, category="shop", name="sale", data={"price": "3"}),
        event(SESSION, timestamp="1999-12-31T23:59:59Z"),
        path(SESSION, 0, [5, 4], [1, 2], [1, 2]),
        [event(SESSION)],
        5,
    ],
)
def test_all_else_is_left_to_the_thorough_way(sent: Any) -> None:
    assert quick(json.dumps(sent).encode()) is None


@pytest.mark.parametrize(
    ("text", "is_suspicious"),
    [
        (b'{"a": "\\u0000"}', True),
        (b'{"a": "\\ud83d\\udc41"}', True),
        (b'{"a": "\\u00e9"}', False),
        (b'{"a": 9223372036854775808}', True),
        (b'{"a": 123456789012345678}', False),
        (b'{"a": "1234-56789-01234567-89012345678901234"}', False),
    ],
)
def test_what_may_not_be_kept_unchanged_is_suspicious(text: bytes, is_suspicious: bool) -> None:
    assert values.suspicious(text) is is_suspicious


@given(st.lists(events(), min_size=1, max_size=3), st.sampled_from(["", " ", "\n", "\t\r\n"]))
def test_a_body_is_split_as_it_was_when_it_was_accepted(sent: list[Any], space: str) -> None:
    for value in (sent, sent[0] or {"a": 1}):
        body = f"{space}{json.dumps(value, indent=1)}{space}".encode()
        assert wire.texts(body) == wire.split(body)


def test_half_a_surrogate_pair_does_not_hinder_the_split() -> None:
    body = b'[{"a": "\\ud800"}, {"b": 1}]'
    assert wire.texts(body) == wire.split(body) == [b'{"a": "\\ud800"}', b'{"b": 1}']


def test_the_struct_and_the_rules_agree_on_length() -> None:
    """A name's length is counted in characters, by both."""
    longest = "\U0001f441" * 200
    assert msgspec.json.decode(json.dumps(longest).encode()) == longest
    assert quick(json.dumps(event(SESSION, name=longest), ensure_ascii=False).encode())


def test_what_is_kept_no_longer_is_left_to_the_thorough_way() -> None:
    types = Types(TYPES.versions, frozenset(), {APPLICATION: 30})
    old = event(SESSION, timestamp=(RECEIVED - timedelta(days=31)).isoformat())
    raw = json.dumps(old).encode()
    assert quick(raw, TYPES) is not None
    assert quick(raw, types) is None
    assert isinstance(thorough(raw, types), Rejected)
