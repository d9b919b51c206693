"""Reading what clients send: bounded, strict, and before anything believes it."""

import json
import math
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_DEPTH = 32
MAX_EVENTS = 1_000
MAX_EVENT_BYTES = 64 * 1024
# msgspec recurses: beyond some 5,000 levels it would run over the end of a thread's stack.
DECODABLE_DEPTH = 1_000

# Where the next item of an array begins.
ITEM = re.compile(r"[^\s,\]]")
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
ALL_SQUARE = bytes.maketrans(b"{}", b"[]")


_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Refused(Exception):
    """The body cannot be taken at all; `code` is one of the API's error codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotJson(ValueError):
    """The text is not strict JSON."""


def gunzip(body: bytes, limit: int) -> bytes:
    """The decompressed body; never more than `limit` + 1 bytes of it are made.

    Raises `Refused` where it is corrupt, cut short, followed by something else, or too large.
    """
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(body, limit + 1)
    except zlib.error:
        raise Refused("bad_encoding") from None
    if len(plain) > limit:
        raise Refused("too_large")
    if not unzip.eof or unzip.unused_data:
        raise Refused("bad_encoding")
    return plain


def split(body: bytes) -> list[bytes]:
    """The JSON text of each event of a body, which is one event or an array of events.

    Raises `Refused`, with the code to answer, for anything else.
    """
    if not body.strip():
        raise Refused("empty_body")
    deeper = _beyond_depth(body)
    if len(deeper) > DECODABLE_DEPTH:
        raise Refused("too_deep")
    try:
        events = _events(body, _decoded(body))
    except NotJson:
        raise Refused("malformed_json") from None
    except RecursionError:
        raise Refused("too_deep") from None
    if deeper:
        raise Refused("too_deep")
    _check_sizes(events)
    return events


def texts(body: bytes) -> list[bytes]:
    """What `split` gives, of a body that it took before: quicker, as nothing is checked again."""
    stripped = body.strip()
    if stripped.startswith(b"{"):
        return [stripped]
    try:
        return [bytes(part) for part in _split(stripped)]
    except msgspec.DecodeError:  # lone surrogates, or no events at all
        return split(body)


def _events(body: bytes, value: Any) -> list[bytes]:
    if not isinstance(value, dict | list):
        raise Refused("not_events")
    if not value:
        raise Refused("empty_body")
    if isinstance(value, dict):
        return [body.strip()]
    try:
        return [bytes(part) for part in _split(body)]
    except msgspec.DecodeError:  # lone surrogates: see loads
        return list(_items(body.decode()))


def _items(array: str) -> Iterator[bytes]:
    """The text of each item of a JSON array that was decoded before."""
    decoder = json.JSONDecoder()
    here = array.index("[") + 1
    while (start := ITEM.search(array, here)) is not None:
        _, here = decoder.raw_decode(array, start.start())
        yield array[start.start() : here].encode()


def _check_sizes(events: list[bytes]) -> None:
    if len(events) > MAX_EVENTS:
        raise Refused("too_many_events")
    if any(len(event) > MAX_EVENT_BYTES for event in events):
        raise Refused("event_too_large")


def loads(text: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN or Infinity, no number beyond a double.

    Lone surrogates (`"\\ud800"`) are grammatical JSON and come through; no text in a database
    can hold them, so they are reported event by event. Raises `NotJson` and `RecursionError`.
    """
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > DECODABLE_DEPTH and len(_beyond_depth(text)) > DECODABLE_DEPTH:
        raise RecursionError
    return _decoded(text)


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError:
        raise NotJson from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _loads_with_surrogates(text)


def _loads_with_surrogates(text: bytes) -> Any:
    """What msgspec refuses and the grammar allows: only escapes of lone surrogates."""
    if not SURROGATE.search(text):
        raise NotJson
    try:
        return json.loads(
            text.decode(), parse_constant=_not_a_number, parse_float=_finite, parse_int=int
        )
    except ValueError:
        raise NotJson from None


def _not_a_number(word: str) -> float:
    raise NotJson


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NotJson
    return value


def too_deep(body: bytes) -> bool:
    """Whether brackets of this valid JSON nest deeper than `MAX_DEPTH`."""
    return bool(_beyond_depth(body))


def _beyond_depth(body: bytes) -> bytes:
    """The brackets that are left when `MAX_DEPTH` times the innermost pairs were peeled off.

    In valid JSON none, unless it nests deeper. In what is not, whatever has no counterpart too.
    """
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return b""
    brackets = _without_strings(body).translate(ALL_SQUARE, NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return brackets


def _without_strings(body: bytes) -> bytes:
    """What stands outside the quotes. Of text that is not JSON, up to where it stops being so."""
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(body.split(b'"')[::2])
