"""What the pointer events must hold, beyond what every event must, to be measured."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tracking.problems import Problem

MAX_COORDINATE = 1_000_000
MAX_SAMPLES = 5_000
# Of what is larger, arithmetic is no longer sure.
MAX_NUMBER = 2**53


def problems(
    category: str,
    name: str,
    data: dict[str, Any],
    timestamp: datetime | None,
    latest: datetime,
) -> list[Problem]:
    """What is wrong with a pointer event's `data`; nothing, for events of other kinds.

    No sample of a path that starts at `timestamp`, if that is known, may lie after `latest`.
    """
    if category != "pointer":
        return []
    if name in {"move", "click"}:
        return [*_coordinate(data, "x"), *_coordinate(data, "y")]
    if name == "path":
        return list(_path(data, timestamp, latest))
    return []


def _coordinate(data: dict[str, Any], axis: str) -> Iterator[Problem]:
    if axis not in data:
        yield Problem(f"data.{axis}", "missing", f"A pointer event needs {axis}, in CSS pixels.")
    elif not _is_coordinate(data[axis]):
        yield _not_a_coordinate(f"data.{axis}", data[axis])


def _is_coordinate(value: object) -> bool:
    return _is_number(value) and abs(value) <= MAX_COORDINATE  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= MAX_NUMBER  # type: ignore[arg-type]


def _not_a_coordinate(field: str, value: object) -> Problem:
    message = (
        f"A coordinate is a number of CSS pixels from -{MAX_COORDINATE:,} to {MAX_COORDINATE:,}."
    )
    return Problem(field, "not_a_coordinate", message, value)


def _path(data: dict[str, Any], timestamp: datetime | None, latest: datetime) -> Iterator[Problem]:
    wrong = [*_array(data, "t"), *_array(data, "x"), *_array(data, "y")]
    wrong = wrong or list(_equally_long(data))
    if wrong:
        yield from wrong
        return
    for axis in ("x", "y"):
        for index, value in enumerate(data[axis]):
            if not _is_coordinate(value):
                yield _not_a_coordinate(f"data.{axis}[{index}]", value)
                break
    yield from _times(data["t"], timestamp, latest)
    yield from _page(data)


def _array(data: dict[str, Any], field: str) -> Iterator[Problem]:
    value = data.get(field)
    if not isinstance(value, list):
        yield Problem(f"data.{field}", "not_an_array", "A path needs arrays t, x and y.", value)
    elif not 1 <= len(value) <= MAX_SAMPLES:
        yield Problem(
            f"data.{field}",
            "bad_length",
            f"A path has from 1 to {MAX_SAMPLES:,} samples; this has {len(value):,}.",
        )


def _equally_long(data: dict[str, Any]) -> Iterator[Problem]:
    samples = len(data["t"])
    for axis in ("x", "y"):
        if len(data[axis]) != samples:
            message = f"t has {samples:,} samples and {axis} has {len(data[axis]):,}."
            yield Problem(f"data.{axis}", "lengths_differ", message)


def _times(times: list[Any], timestamp: datetime | None, latest: datetime) -> Iterator[Problem]:
    before = 0.0
    for index, value in enumerate(times):
        if not _is_number(value) or value < before:
            message = "t holds milliseconds from 0 on that never go back."
            yield Problem(f"data.t[{index}]", "not_in_order", message, value)
            return
        before = value
    if timestamp and before / 1000 > (latest - timestamp) / timedelta(seconds=1):
        message = "This sample would lie in the future."
        yield Problem(f"data.t[{len(times) - 1}]", "in_future", message, before)


def _page(data: dict[str, Any]) -> Iterator[Problem]:
    page = data.get("page")
    if page is None:
        return
    if not isinstance(page, dict):
        yield Problem("data.page", "not_an_object", "page must be an object.", page)
    elif not isinstance(page.get("path", ""), str):
        yield Problem("data.page.path", "not_text", "page.path must be text.", page["path"])
