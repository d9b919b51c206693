"""PostgreSQL arrays as text, which is far quicker than lists of objects for the driver to write."""

from collections.abc import Iterable


def uuids(ids: Iterable[bytes]) -> str:
    """Of UUIDs in 16 bytes each."""
    return "{" + ",".join([id.hex() for id in ids]) + "}"


def numbers(values: Iterable[float | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
