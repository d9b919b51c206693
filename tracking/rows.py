"""Rows of tracking_event in COPY's binary format."""

from collections.abc import Iterable
from datetime import UTC, datetime
from struct import Struct

from tracking.ids import micros_of
from tracking.validation import ValidEvent

COPY = """
COPY tracking_event
     (id, application_id, session_id, category, name, data, "timestamp", received_at)
FROM STDIN (FORMAT binary)
"""
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# Each field comes after its length. Texts have their lengths in the piece before them; the last
# byte of JSONB's piece is the version of its format.
UP_TO_CATEGORY = Struct(">hi16siqi16si")
UP_TO_NAME = Struct(">i")
UP_TO_DATA = Struct(">iB")
TIMES = Struct(">iqiq")
# PostgreSQL counts its microseconds from 2000 on.
POSTGRES_EPOCH = micros_of(datetime(2000, 1, 1, tzinfo=UTC))


def row(event: ValidEvent, application_id: int, received: int) -> bytes:
    """`received` in µs since 1970 UTC."""
    # PostgreSQL shall say what is no text.
    category = event.category.encode(errors="surrogatepass")
    name, data = event.name.encode(errors="surrogatepass"), event.data
    return b"".join(
        (
            UP_TO_CATEGORY.pack(
                8, 16, event.id_bytes, 8, application_id, 16, event.session_bytes, len(category)
            ),
            category,
            UP_TO_NAME.pack(len(name)),
            name,
            UP_TO_DATA.pack(len(data) + 1, 1),
            data,
            TIMES.pack(8, event.micros - POSTGRES_EPOCH, 8, received - POSTGRES_EPOCH),
        )
    )


def stream(rows: Iterable[bytes]) -> bytes:
    return b"".join((HEADER, *rows, TRAILER))
