"""Storing the seconds of sessions' pointers: new rows, or in place of those there are.

A session of a day has 86,400: the ORM takes several times as long for as many objects.
"""

from collections.abc import Iterable
from functools import cache
from itertools import batched
from uuid import UUID

from django.db import connection

from reports import models
from reports.seconds import PointerSecond

ROWS_AT_ONCE = 5_000
KEY = ("session_id", "second")
COLUMNS = ("session_id", "build", *PointerSecond._fields)


@cache
def statement() -> str:
    fields = map(models.PointerSecond._meta.get_field, COLUMNS)
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in KEY)
    return (
        f"INSERT INTO {models.PointerSecond._meta.db_table} ({', '.join(COLUMNS)}) "
        f"SELECT * FROM unnest({arrays}) ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {changes}"
    )


def store(seconds: Iterable[tuple[UUID, int, PointerSecond]]) -> None:
    """Each with its session and the build that writes it; none of them twice."""
    rows = ((session_id, build, *second) for session_id, build, second in seconds)
    with connection.cursor() as cursor:
        for some in batched(rows, ROWS_AT_ONCE):
            cursor.execute(statement(), [array(column) for column in zip(*some, strict=True)])


def array(values: Iterable[object]) -> str:
    """A PostgreSQL array of ids, numbers and times: nothing in it needs to be quoted."""
    texts = ("NULL" if value is None else str(value) for value in values)
    return f"{{{','.join(texts)}}}"
