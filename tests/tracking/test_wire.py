import gzip
import json
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest

from tracking import wire

EVENT = b'{"a": 1}'


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (EVENT, [EVENT]),
        (b" \n" + EVENT + b" ", [EVENT]),
        (b"[" + EVENT + b", " + EVENT + b"]", [EVENT, EVENT]),
        (b"[5, null]", [b"5", b"null"]),
        ('{"é": "\U0001f441"}'.encode(), ['{"é": "\U0001f441"}'.encode()]),
        (b'[{"a": "\\ud800"}]', [b'{"a": "\\ud800"}']),
        (b'{"a": "\\ud800"}', [b'{"a": "\\ud800"}']),
    ],
)
def test_a_body_is_split_into_its_events(body: bytes, events: list[bytes]) -> None:
    assert wire.split(body) == events


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"  \n", "empty_body"),
        (b"[]", "empty_body"),
        (b"{}", "empty_body"),
        (b"5", "not_events"),
        (b"null", "not_events"),
        (b'"text"', "not_events"),
        (b"{", "malformed_json"),
        (EVENT + b"x", "malformed_json"),
        (EVENT + EVENT, "malformed_json"),
        (b'{"a": NaN}', "malformed_json"),
        (b'{"a": Infinity}', "malformed_json"),
        (b'{"a": 1e400}', "malformed_json"),
        (b'{"a": 1e400, "b": "\\ud800"}', "malformed_json"),
        (b'{"a": NaN, "b": "\\ud800"}', "malformed_json"),
        (b'{"a": 01}', "malformed_json"),
        (b'{"a": "\xff"}', "malformed_json"),
        (b'{"a": "\xed\xa0\x80"}', "malformed_json"),
        (b"\xef\xbb\xbf" + EVENT, "malformed_json"),
        ('{"a": 1}'.encode("utf-16"), "malformed_json"),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", "too_deep"),
        (b'[{"a":' * 17 + b"1" + b"}]" * 17, "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
        (b"[" * 40, "malformed_json"),
        (b"[" + b",".join([EVENT] * 1_001) + b"]", "too_many_events"),
        (b'[{"a": "' + b"x" * 65_536 + b'"}]', "event_too_large"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.split(body)
    assert refused.value.code == code


@pytest.mark.parametrize("bracket", [b"[", b'{"a":', b'[{"\\ud800":'])
@pytest.mark.parametrize("read", [wire.split, wire.loads])
def test_no_body_runs_over_the_end_of_a_threads_stack(
    read: Callable[[bytes], object], bracket: bytes
) -> None:
    """The threads that serve have 2 MiB each; the one that tests run in has four times as much."""
    before = threading.stack_size(2 * 1024 * 1024)
    try:
        with ThreadPoolExecutor(1) as threads:
            error = threads.submit(read, bracket * 50_000).exception()
    finally:
        threading.stack_size(before)
    assert isinstance(error, wire.Refused | RecursionError | wire.NotJson)


def test_the_limits_themselves_are_allowed() -> None:
    deepest = b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}"
    largest = b'{"a": "' + b"x" * (65_536 - 9) + b'"}'
    assert wire.split(deepest) == [deepest]
    assert wire.split(largest) == [largest]
    assert len(wire.split(b"[" + b",".join([EVENT] * 1_000) + b"]")) == 1_000


def test_brackets_in_text_do_not_count_as_depth() -> None:
    body = json.dumps({"a": "[" * 100 + '"\\' + "{" * 100}).encode()
    assert wire.split(body) == [body]


def test_a_gzip_body_is_unpacked() -> None:
    assert wire.gunzip(gzip.compress(EVENT, mtime=0), 100) == EVENT


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip",
        gzip.compress(EVENT, mtime=0)[:-1],
        gzip.compress(EVENT, mtime=0) + b"more",
        EVENT,
        b"",
    ],
)
def test_a_body_that_is_no_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.gunzip(body, 100)
    assert refused.value.code == "bad_encoding"


def test_a_gzip_bomb_is_refused_without_unpacking_it() -> None:
    bomb = gzip.compress(b"0" * 200_000_000)
    tracemalloc.start()
    with pytest.raises(wire.Refused) as refused:
        wire.gunzip(bomb, 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "too_large"
    assert peak < 10_000_000


def test_a_string_that_does_not_end_is_read_once() -> None:
    start = perf_counter()
    with pytest.raises(wire.Refused):
        wire.split(b'["' + b'\\"' * 500_000)
    assert perf_counter() - start < 1
