"""What the pointer events must hold, beyond what every event must, to be measured."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tracking.problems import Problem

MAX_COORDINATE = 1_000_000
MAX_SAMPLES = 5_000
# Of what is larger, arithmetic is no longer sure.
MAX_NUMBER = 2**53
NUMBERS = {int, float}  # bool is a type of its own


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
    return type(value) in NUMBERS and abs(value) <= MAX_NUMBER  # type: ignore[arg-type]


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
        yield from _coordinates(data[axis], axis)
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


def _coordinates(values: list[Any], axis: str) -> Iterator[Problem]:
    if _are_numbers(values) and min(values) >= -MAX_COORDINATE and max(values) <= MAX_COORDINATE:
        return
    for index, value in enumerate(values):
        if not _is_coordinate(value):
            yield _not_a_coordinate(f"data.{axis}[{index}]", value)
            return


def _are_numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= NUMBERS


def _times(times: list[Any], timestamp: datetime | None, latest: datetime) -> Iterator[Problem]:
    if not _are_times(times):
        yield _first_disorder(times)
    elif timestamp and times[-1] / 1000 > (latest - timestamp) / timedelta(seconds=1):
        message = "This sample would lie in the future."
        yield Problem(f"data.t[{len(times) - 1}]", "in_future", message, times[-1])


def _are_times(values: list[Any]) -> bool:
    in_order = _are_numbers(values) and values == sorted(values)
    return in_order and values[0] >= 0 and values[-1] <= MAX_NUMBER


def _first_disorder(times: list[Any]) -> Problem:
    pairs = enumerate(zip([0.0, *times], times, strict=False))
    wrong = (place for place, (before, t) in pairs if not _is_number(t) or t < before)
    place = next(wrong)
    message = "t holds milliseconds from 0 on that never go back."
    return Problem(f"data.t[{place}]", "not_in_order", message, times[place])


def _page(data: dict[str, Any]) -> Iterator[Problem]:
    page = data.get("page")
    if page is None:
        return
    if not isinstance(page, dict):
        yield Problem("data.page", "not_an_object", "page must be an object.", page)
    elif not isinstance(page.get("path", ""), str):
        yield Problem("data.page.path", "not_text", "page.path must be text.", page["path"])
