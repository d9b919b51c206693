"""A process that builds the reports it is told to, and says how many seconds each took."""

import json
import sys
from collections.abc import Callable
from time import perf_counter
from uuid import UUID

import django

django.setup()

import msgspec  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from reports import builder  # noqa: E402
from reports.assembly import BEFORE, EVENTS  # noqa: E402
from reports.fold import FoldEvent  # noqa: E402
from reports.samples import PointerPath  # noqa: E402
from tracking.ids import NIL  # noqa: E402


def read(session: UUID) -> None:
    """All that a build cannot do without."""
    decode = msgspec.json.Decoder(PointerPath).decode
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(BEFORE)
        with connection.chunked_cursor() as cursor:
            cursor.execute(EVENTS, [session, NIL])
            for row in cursor:
                decode(FoldEvent._make(row).data)


WORK: dict[str, Callable[[UUID], object]] = {
    "recompute": builder.recompute,
    "build": builder.build,
    "read": read,
}


for line in sys.stdin:
    what, session = json.loads(line)
    began = perf_counter()
    WORK[what](UUID(session))
    print(perf_counter() - began, flush=True)
