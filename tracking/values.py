"""Values that are JSON and yet cannot be kept as they are: each is named with its path."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tracking.problems import Problem

MAX_KEYS = 1_000
MAX_PROBLEMS = 20
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

ESCAPE = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]")
TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")
LONG_NUMBER = b"0" * len(str(MAX_INTEGER))
# A key, its value and what stands between them need so much at least.
KEY_BYTES = 5


def problems(sent: dict[str, Any], raw: bytes) -> list[Problem]:
    """What PostgreSQL could not hold unchanged in the event `sent`, whose JSON text is `raw`."""
    if suspicious(raw) or many_keys(raw):
        return list(islice(_walk(sent, ""), MAX_PROBLEMS))
    return []


def suspicious(text: bytes) -> bool:
    """Whether there may be such a text or number in this JSON. In most there is none."""
    if b"\\u" in text and ESCAPE.search(text):
        return True
    return LONG_NUMBER in text.translate(TO_ZEROS)


def many_keys(event: bytes) -> bool:
    return len(event) > MAX_KEYS * KEY_BYTES and event.count(b":") > MAX_KEYS


def _walk(value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _walk_object(value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _text(value, path)
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        yield Problem(
            path, "integer_out_of_range", "An integer must fit in 64 bits; send it as text.", value
        )


def _walk_object(value: dict[str, Any], path: str) -> Iterator[Problem]:
    if len(value) > MAX_KEYS:
        yield Problem(path, "too_many_keys", f"An object may have at most {MAX_KEYS:,} keys.")
        return
    for key, item in value.items():
        inside = f"{path}.{key}" if path else key
        yield from _text(key, inside)
        yield from _walk(item, inside)


def _text(value: str, path: str) -> Iterator[Problem]:
    if "\0" in value:
        yield Problem(path, "nul_character", "Text must not hold the character U+0000.", value)
    if any("\ud800" <= char <= "\udfff" for char in value):
        yield Problem(
            path, "lone_surrogate", "Text holds half of a surrogate pair, which is no text.", value
        )
