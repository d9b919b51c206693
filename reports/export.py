"""Reports as CSV, made by PostgreSQL page by page, so that neither memory nor a snapshot grows.

A page waits in memory, and in a file where it is large, until the client has taken it.

The order is that of the ids: a report that is built anew meanwhile is neither lost nor doubled.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import (
    Case,
    F,
    Field,
    Func,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.http import StreamingHttpResponse

from reports.models import SessionReport
from reports.staleness import is_stale
from tracking.ids import NIL
from tracking.models import Application, SessionApplication

PAGE_ROWS = 10_000
IN_MEMORY, PIECE = 16 << 20, 1 << 20
ID_CHARACTERS = 36
TRUE, FALSE = Value("true"), Value("false")
# One object of all names, which PostgreSQL makes once for a page.
NAMES_BY_ID = Subquery(
    Application.objects.order_by().values_list(
        Func(
            Cast("pk", TextField()),
            F("name"),
            function="jsonb_object_agg",
            output_field=JSONField(),
        )
    )
)
NAME = Func(
    NAMES_BY_ID,
    Cast("application_id", TextField()),
    template="(%(expressions)s)",
    arg_joiner=" ->> ",
    output_field=TextField(),
)
# In the order of the index, so that nothing is sorted.
NAMES = ArraySubquery(
    SessionApplication.objects.filter(session_id=OuterRef("session_id"))
    .order_by("application_id")
    .values_list(NAME)
)


def cell(text: Combinable) -> Combinable:
    """Text in one line that no spreadsheet takes for a formula."""
    harmless = Func(text, Value(r"^([=+@\t\r-])"), Value(r"'\1"), function="regexp_replace")
    breaks = (Value(r"[\r\n]+"), Value(" "), Value("g"))
    return Func(harmless, *breaks, function="regexp_replace", output_field=TextField())


def joined(parts: Combinable) -> Combinable:
    return Func(parts, Value(", "), function="array_to_string", output_field=TextField())


def yes_or_no(condition: Q) -> Combinable:
    return Case(When(condition, then=TRUE), default=FALSE)


def column(field: "Field[object, object]") -> Combinable:
    """Numbers and times; JSON, which begins with a brace; and words of ours: all of it harmless."""
    if field.get_internal_type() == "BooleanField":
        return yes_or_no(Q(**{field.name: True}))
    if field.get_internal_type() == "ArrayField":
        return joined(F(field.name))
    return F(field.attname)


OWN = {
    field.name: column(field)
    for field in SessionReport._meta.concrete_fields
    if field.name not in {"session", "state", "application_ids"}
}


# The session comes first, and is never quoted: it tells where the next page begins.
SESSION = "session"
EVERYTHING = (SESSION, "applications", "stale", *OWN)


def columns(names: Sequence[str]) -> list[Combinable]:
    """What each is made of, as of now."""
    made_of = {SESSION: F("session_id"), "applications": cell(joined(NAMES)), **OWN}
    if "stale" in names:
        made_of["stale"] = yes_or_no(is_stale())
    return [made_of[name] for name in names]


def answer(
    rows_after: Callable[[UUID], QuerySet[SessionReport]], names: Sequence[str] = EVERYTHING
) -> StreamingHttpResponse:
    """The file that `pages` makes. What goes wrong with the first page is still raised."""
    file = pages(rows_after, names)
    return StreamingHttpResponse(
        chain([next(file)], file),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="reports.csv"'},
    )


def pages(
    rows_after: Callable[[UUID], QuerySet[SessionReport]], names: Sequence[str] = EVERYTHING
) -> Iterator[bytes]:
    """A header and rows, `PAGE_ROWS` at a time. Raises `django.db.Error`.

    `rows_after` gives all the reports that are wanted and whose id is after one; `names` are the
    columns, the session first.
    """
    head = ",".join(names).encode() + b"\n"
    after = NIL
    while True:
        with SpooledTemporaryFile(IN_MEMORY) as page:
            page.write(head)
            rows = copy(rows_after(after), names, page)
            page.seek(0)
            while lines := page.readlines(PIECE):
                yield b"".join(lines)
                last_line = lines[-1]
        if rows < PAGE_ROWS:
            return
        head = b""
        after = UUID(last_line[:ID_CHARACTERS].decode())


def copy(reports: QuerySet[SessionReport], names: Sequence[str], file: IO[bytes]) -> int:
    """Writes the first page; how many rows it has."""
    rows = reports.order_by("pk").values_list(*columns(names))[:PAGE_ROWS]
    try:
        query = rows.query.sql_with_params()
    except EmptyResultSet:
        return 0
    with transaction.atomic(), connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute("SET LOCAL jit = off")  # to compile takes longer than a page
        sql = cursor.mogrify(*query).decode()
        cursor.copy_expert(f"COPY ({sql}) TO STDOUT WITH (FORMAT csv)", file)
        copied: int = cursor.rowcount
        return copied
