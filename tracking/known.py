"""What a digest does not store: events that are there already, and what was deleted or erased."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from tracking.arrays import uuids

# What is stored or deleted between the first event and the last: as a rule little, since events
# come in the order of their times. The sessions are named by their places.
NEAR = """
(SELECT id, NULL::bigint AS session, NULL::bigint AS application
   FROM tracking_event WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id LIMIT %(most)s + 1)
 UNION ALL
(SELECT id, NULL, NULL
   FROM tracking_deletedevent WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id LIMIT %(most)s + 1)
 UNION ALL
SELECT NULL, place, application_id
  FROM unnest(%(sessions)s::uuid[]) WITH ORDINALITY AS sent(session_id, place)
  JOIN tracking_erasedsession USING (session_id)
"""
# The events by their places: each is looked for, whatever the planner expects. The range leaves out
# the partitions that hold none of them.
EACH = """
SELECT place
  FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS sent(id, place), LATERAL (
    (SELECT FROM tracking_event AS stored
      WHERE stored.id = sent.id AND stored.id BETWEEN %(first)s AND %(last)s LIMIT 1)
     UNION ALL
    (SELECT FROM tracking_deletedevent AS deleted WHERE deleted.id = sent.id LIMIT 1)
     LIMIT 1
  ) AS found
"""
FEW = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """Events, by their ids of 16 bytes; and erased sessions, of one application or of all."""

    events: Collection[bytes] = frozenset()
    erased: Collection[tuple[bytes, int | None]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.events or self.erased)

    def is_erased(self, session: bytes, application_id: int) -> bool:
        return (session, application_id) in self.erased or (session, None) in self.erased


NOTHING = Known()


def look_up(events: Collection[bytes], sessions: Iterable[bytes]) -> Known:
    """What of these is known as of now; the events in the order of their ids."""
    ids, session_ids = list(events), sorted(sessions)
    span = {"first": UUID(bytes=ids[0]), "last": UUID(bytes=ids[-1])} if ids else NO_SPAN
    near, erased = set(), set()
    for event, session, application in _rows(NEAR, span, sessions=uuids(session_ids), most=FEW):
        if event is not None:
            near.add(event.bytes)
        else:
            erased.add((session_ids[session - 1], application))
    if len(near) > FEW:
        return Known({ids[place - 1] for (place,) in _rows(EACH, span, ids=uuids(ids))}, erased)
    return Known(near.intersection(events), erased)


NO_SPAN = {"first": UUID(int=1), "last": UUID(int=0)}


def _rows(query: str, span: dict[str, UUID], **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, {**span, **parameters})
        return list(cursor.fetchall())
