import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.cast import event, path
from tracking.event_types import Types
from tracking.ids import micros_of
from tracking.validation import Rejected, ValidEvent, validate

SESSION = uuid4()
RECEIVED = datetime.now(UTC)
NO_TYPES = Types({}, frozenset())


def check(fields: Any, application: int = 1) -> ValidEvent | Rejected:
    raw = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return validate(raw, application, RECEIVED, NO_TYPES)


def valid(fields: Any, application: int = 1) -> ValidEvent:
    result = check(fields, application)
    assert isinstance(result, ValidEvent), result
    return result


def problems(fields: Any) -> list[tuple[str, str]]:
    result = check(fields)
    assert isinstance(result, Rejected), result
    return [(problem.field, problem.code) for problem in result.problems]


def test_a_valid_event_keeps_what_was_sent() -> None:
    sent = event(SESSION)
    stored = valid(sent)
    assert (stored.session_id, stored.category, stored.name) == (
        SESSION,
        sent["category"],
        sent["name"],
    )
    assert json.loads(stored.data) == sent["data"]
    assert stored.micros == micros_of(datetime.fromisoformat(sent["timestamp"]))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-01-01 09:15:27.243860", datetime(2021, 1, 1, 9, 15, 27, 243860, UTC)),
        ("2021-01-01T09:15:27.243860", datetime(2021, 1, 1, 9, 15, 27, 243860, UTC)),
        ("2021-01-01 09:15:27.243860Z", datetime(2021, 1, 1, 9, 15, 27, 243860, UTC)),
        ("2021-01-01T09:15:27Z", datetime(2021, 1, 1, 9, 15, 27, 0, UTC)),
        ("2021-01-01T09:15:27+05:45", datetime(2021, 1, 1, 3, 30, 27, 0, UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_timestamp_without_a_zone_is_utc(text: str, moment: datetime) -> None:
    assert valid(event(SESSION, timestamp=text)).micros == micros_of(moment)


def test_a_timestamp_a_minute_ahead_is_taken() -> None:
    ahead = (RECEIVED + timedelta(seconds=60)).isoformat()
    assert valid(event(SESSION, timestamp=ahead))


def test_the_session_may_be_an_object() -> None:
    sent = event(SESSION)
    del sent["session_id"]
    assert valid(sent | {"session": {"id": str(SESSION)}}).id == valid(event(SESSION)).id


def test_fields_that_a_client_may_not_set_are_ignored() -> None:
    more = {"received_at": "1999-01-01", "application_id": 7, "stored": True}
    assert valid(event(SESSION) | more) == valid(event(SESSION))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"session_id": None}, [("session_id", "missing")]),
        ({"session_id": "abc"}, [("session_id", "not_a_uuid")]),
        ({"session_id": 5}, [("session_id", "not_a_uuid")]),
        ({"session_id": None, "session": {"id": "x"}}, [("session.id", "not_a_uuid")]),
        ({"session_id": None, "session": {}}, [("session.id", "missing")]),
        ({"category": None}, [("category", "missing")]),
        ({"category": ""}, [("category", "empty")]),
        ({"category": 5}, [("category", "not_text")]),
        ({"category": "x" * 201}, [("category", "too_long")]),
        ({"name": None}, [("name", "missing")]),
        ({"name": ["x"]}, [("name", "not_text")]),
        ({"data": None}, [("data", "missing")]),
        ({"data": {}}, [("data", "empty")]),
        ({"data": "text"}, [("data", "not_an_object")]),
        ({"timestamp": None}, [("timestamp", "missing")]),
        ({"timestamp": "yesterday"}, [("timestamp", "not_a_timestamp")]),
        ({"timestamp": 1700000000}, [("timestamp", "not_a_timestamp")]),
        ({"timestamp": "10000-01-01T00:00:00Z"}, [("timestamp", "not_a_timestamp")]),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, [("timestamp", "not_a_timestamp")]),
        ({"timestamp": "9999-12-31T23:59:59-14:00"}, [("timestamp", "not_a_timestamp")]),
        ({"timestamp": "1999-12-31T23:59:59Z"}, [("timestamp", "too_old")]),
        ({"timestamp": "2999-01-01T00:00:00Z"}, [("timestamp", "in_future")]),
        ({"id": 5}, [("id", "not_an_id")]),
        ({"id": ""}, [("id", "not_an_id")]),
        ({"id": "x" * 101}, [("id", "not_an_id")]),
        (
            {"session_id": "x", "category": "", "data": [], "timestamp": ""},
            [
                ("session_id", "not_a_uuid"),
                ("category", "empty"),
                ("data", "not_an_object"),
                ("timestamp", "not_a_timestamp"),
            ],
        ),
    ],
)
def test_every_wrong_field_is_named(fields: Any, expected: list[tuple[str, str]]) -> None:
    assert problems(event(SESSION) | fields) == expected


@pytest.mark.parametrize("body", [b"5", b"null", b'"text"', b"[]", b"[1]"])
def test_an_event_that_is_no_object_is_rejected(body: bytes) -> None:
    assert problems(body) == [("", "not_an_object")]


def data_of(json_text: str) -> bytes:
    sent = json.dumps(event(SESSION, data={"here": 0})).encode()
    return sent.replace(b'{"here": 0}', json_text.encode())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (r'{"a": "x\u0000y"}', ("data.a", "nul_character")),
        (r'{"a": {"b\u0000": 1}}', ("data.a.b\0", "nul_character")),
        (r'{"a": [1, "\ud800"]}', ("data.a[1]", "lone_surrogate")),
        (r'{"a": "\udc00\ud800"}', ("data.a", "lone_surrogate")),
        ('{"a": 9223372036854775808}', ("data.a", "integer_out_of_range")),
        ('{"a": -9223372036854775809}', ("data.a", "integer_out_of_range")),
        ('{"a": 123456789012345678901234567890}', ("data.a", "integer_out_of_range")),
        (json.dumps({str(n): 1 for n in range(10_000)}), ("data", "too_many_keys")),
    ],
)
def test_what_no_column_could_hold_is_named(data: str, expected: tuple[str, str]) -> None:
    assert problems(data_of(data)) == [expected]


@pytest.mark.parametrize(
    "data",
    [
        '{"a": 9223372036854775807, "b": -9223372036854775808}',
        '{"a": "12345678901234567890"}',
        r'{"a": "\ud83d\udc41"}',
        r'{"a": "\\u0000"}',
        '{"a": 1.7976931348623157e308, "b": 0.1, "c": -0.0}',
        json.dumps({str(n): 1 for n in range(1_000)}),
    ],
)
def test_what_looks_like_trouble_and_is_none_is_kept(data: str) -> None:
    assert json.loads(valid(data_of(data)).data) == json.loads(data)


def test_the_shown_value_is_short_and_ascii() -> None:
    result = check(event(SESSION, category="é" * 500))
    assert isinstance(result, Rejected)
    shown = result.problems[0].shown()
    assert len(shown) == 100
    assert shown[:-1].isascii()


def test_the_payload_of_a_rejected_event_is_what_was_sent() -> None:
    raw = data_of(r'{"a": "\u0000"}')
    result = check(raw)
    assert isinstance(result, Rejected)
    assert (result.payload.encode(), result.session_id) == (raw, SESSION)


class TestIdentity:
    def test_the_order_of_keys_does_not_matter(self) -> None:
        one = event(SESSION, data={"a": 1, "b": {"c": 2, "d": 3}})
        other = event(SESSION, data={"b": {"d": 3, "c": 2}, "a": 1})
        assert valid(one).id == valid(other).id

    @pytest.mark.parametrize(
        "change",
        [{"name": "x"}, {"category": "x"}, {"data": {"x": 1}}, {"session_id": str(uuid4())}],
    )
    def test_other_content_is_another_event(self, change: dict[str, Any]) -> None:
        assert valid(event(SESSION)).id != valid(event(SESSION) | change).id

    def test_two_applications_never_share_an_event(self) -> None:
        assert valid(event(SESSION, id="7"), 1).id != valid(event(SESSION, id="7"), 2).id

    def test_a_client_id_stands_for_the_content(self) -> None:
        one = event(SESSION, id="7")
        assert valid(one).id == valid(one | {"name": "other"}).id
        assert valid(one).id != valid(one | {"timestamp": "2021-01-01T00:00:00Z"}).id

    def test_a_client_id_is_no_session_content(self) -> None:
        """The same text in the two places must not make the same event."""
        assert valid(event(SESSION, id="7")).id != valid(event(SESSION)).id


class TestPointerEvents:
    @pytest.mark.parametrize(
        ("t", "x", "y", "expected"),
        [
            (
                [],
                [],
                [],
                [("data.t", "bad_length"), ("data.x", "bad_length"), ("data.y", "bad_length")],
            ),
            ([0], [1, 2], [1], [("data.x", "lengths_differ")]),
            ([0, 1], [1, 2], [1], [("data.y", "lengths_differ")]),
            ([0, 1], [1, "2"], [1, 2], [("data.x[1]", "not_a_coordinate")]),
            ([0, 1], [1, 2], [1, None], [("data.y[1]", "not_a_coordinate")]),
            ([0, 1], [1, True], [1, 2], [("data.x[1]", "not_a_coordinate")]),
            ([0, 1], [1, 1_000_001], [1, 2], [("data.x[1]", "not_a_coordinate")]),
            ([0, 1], [1, 10**400], [1, 2], [("data.x[1]", "integer_out_of_range")]),
            ([0, 10**400], [1, 2], [1, 2], [("data.t[1]", "integer_out_of_range")]),
            ([-1, 1], [1, 2], [1, 2], [("data.t[0]", "not_in_order")]),
            ([5, 4], [1, 2], [1, 2], [("data.t[1]", "not_in_order")]),
            ([0, 1e9], [1, 2], [1, 2], [("data.t[1]", "in_future")]),
            ([0] * 5_001, [0] * 5_001, [0] * 5_001, [(f"data.{f}", "bad_length") for f in "txy"]),
        ],
    )
    def test_a_wrong_path_is_named_to_the_index(
        self, t: list[Any], x: list[Any], y: list[Any], expected: list[tuple[str, str]]
    ) -> None:
        assert problems(path(SESSION, 0, t, x, y)) == expected

    def test_a_path_needs_its_arrays(self) -> None:
        sent = event(SESSION, category="pointer", name="path", data={"t": 5, "x": {}})
        assert problems(sent) == [(f"data.{field}", "not_an_array") for field in "txy"]

    @pytest.mark.parametrize("page", [5, [], {"path": 5}])
    def test_a_page_must_be_one(self, page: Any) -> None:
        sent = path(SESSION, 0, [0], [1], [1])
        sent["data"]["page"] = page
        assert next(field for field, _ in problems(sent)).startswith("data.page")

    def test_a_move_needs_both_coordinates(self) -> None:
        sent = event(SESSION, category="pointer", name="move", data={"x": "5"})
        assert problems(sent) == [("data.x", "not_a_coordinate"), ("data.y", "missing")]

    def test_samples_may_share_a_time_and_a_place(self) -> None:
        assert valid(path(SESSION, 0, [0, 0, 1.5], [-1e6, 0, 1e6], [0, 0, 0.25]))

    def test_other_pointer_events_are_free(self) -> None:
        assert valid(event(SESSION, category="pointer", name="squeeze", data={"x": "hard"}))
