"""GET /api/events on ten million events: filtered by session, by category, by time range.

The limit is PostgreSQL's own time for the first page's rows, asked for by hand.
"""

import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from bench.figures import Row, percentile
from bench.stage import milliseconds, web

MONTHS = 6
PAGE = 100
EVENTS_A_SESSION = 50
APPLICATIONS = 5
LIMIT = "the same rows by one SELECT in this process"

# Ids as tracking/ids.py makes them: 48 and 12 bits of microseconds, then the hash.
FILL = """
INSERT INTO tracking_event
       (id, application_id, session_id, category, name, data, "timestamp", received_at)
SELECT (lpad(to_hex(us >> 12), 12, '0') || '8' || lpad(to_hex(us & 4095), 3, '0') || '8'
        || substr(md5(n::text), 1, 15))::uuid,
       (%(applications)s::bigint[])[1 + n / %(per_session)s %% 5],
       md5('session' || n / %(per_session)s)::uuid,
       'category ' || least(n * 7919 %% 40, n * 104729 %% 40),
       'name ' || n * 6007 %% 200,
       '{"host": "www.example.com", "path": "/", "element": "a button"}',
       to_timestamp(us / 1e6), to_timestamp(us / 1e6 + 1)
  FROM (SELECT n, %(start)s + n * %(step)s AS us
          FROM generate_series(%(first)s::bigint, %(last)s) AS n) AS numbered
"""
CHUNK = 500_000

type Case = Callable[[], tuple[dict[str, str], str, list[Any]]]


def run(quick: bool) -> list[Row]:
    events, runs = (20_000, 10) if quick else (10_000_000, 300)
    filled = _fill(events)
    key = _key()
    with web() as server:
        return [_measure(server, key, name, case, runs) for name, case in _cases(*filled).items()]


def _key() -> str:
    from tracking import keys

    return keys.create_key("application 1", "secret").key


def _fill(events: int) -> tuple[int, int, int]:
    """Events of five applications over six months, month by month in a partition each."""
    from django.db import connection
    from django.utils.timezone import now

    from tracking.ids import EPOCH, MICROSECOND
    from tracking.models import Application

    ids = [
        Application.objects.create(name=f"application {n}").pk for n in range(1, APPLICATIONS + 1)
    ]
    start = (now() - timedelta(days=30 * MONTHS) - EPOCH) // MICROSECOND
    step = timedelta(days=30 * MONTHS) // MICROSECOND // events
    _partitions()
    with connection.cursor() as cursor:
        for first in range(0, events, CHUNK):
            last = min(first + CHUNK, events) - 1
            span: dict[str, Any] = {"start": start, "step": step, "first": first, "last": last}
            span |= {"applications": ids, "per_session": EVENTS_A_SESSION}
            cursor.execute(FILL, span)
            print(f"   {last + 1:,} of {events:,} events", flush=True)
        cursor.execute("VACUUM ANALYZE tracking_event")
    return ids[0], events, start


def _partitions() -> None:
    """As they would be after six months: the empty ones of a new database go first."""
    from django.db import connection
    from django.utils.timezone import now

    from tracking import partitions

    with connection.cursor() as cursor:
        for name in partitions._existing():
            cursor.execute(f"DROP TABLE {name}")
    partitions.ensure_partitions(now() - timedelta(days=30 * (MONTHS + 1)))
    partitions.ensure_partitions(now())


def _cases(application: int, events: int, start: int) -> dict[str, Case]:
    from django.utils.timezone import now

    from tracking.ids import first_id_at

    dice = random.Random(1)
    where = "SELECT * FROM tracking_event WHERE application_id = %s AND "
    rest = f" ORDER BY id LIMIT {PAGE}"

    def moment() -> Any:
        return now() - timedelta(seconds=dice.random() * 86_400 * 30 * MONTHS)

    def session() -> tuple[dict[str, str], str, list[Any]]:
        mine = dice.randrange(events // EVENTS_A_SESSION // APPLICATIONS) * APPLICATIONS
        id = _uuid(f"session{mine}")
        return {"session": id}, where + "session_id = %s" + rest, [application, id]

    def category() -> tuple[dict[str, str], str, list[Any]]:
        value = f"category {dice.randrange(40)}"
        return {"category": value}, where + "category = %s" + rest, [application, value]

    def time_range() -> tuple[dict[str, str], str, list[Any]]:
        first, last = sorted((moment(), moment()))
        ids = [first_id_at(first), first_id_at(last)]
        asked = {"timestamp_after": first.isoformat(), "timestamp_before": last.isoformat()}
        return asked, where + "id BETWEEN %s AND %s" + rest, [application, *ids]

    def category_in_time() -> tuple[dict[str, str], str, list[Any]]:
        first, value = moment(), f"category {dice.randrange(40)}"
        asked = {"category": value, "timestamp_after": first.isoformat()}
        sql = where + "category = %s AND id >= %s" + rest
        return asked, sql, [application, value, first_id_at(first)]

    return {
        "session": session,
        "category": category,
        "time range": time_range,
        "category and time": category_in_time,
    }


def _uuid(text: str) -> str:
    from hashlib import md5
    from uuid import UUID

    return str(UUID(md5(text.encode(), usedforsecurity=False).hexdigest()))


def _measure(server: HTTPConnection, key: str, name: str, case: Case, runs: int) -> Row:
    asked, by_hand = [], []
    for place in range(runs + runs // 5):
        parameters, sql, values = case()
        took = _ask(server, key, parameters), _select(sql, values)
        if place >= runs // 5:  # the first ones warm up
            asked.append(took[0])
            by_hand.append(took[1])
    p50, p95 = (percentile(asked, share) for share in (0.5, 0.95))
    limits = [percentile(by_hand, share) for share in (0.5, 0.95)]
    return Row("lists", name, runs, p50, p95, LIMIT, *limits)


def _ask(server: HTTPConnection, key: str, parameters: dict[str, str]) -> float:
    query = urlencode({**parameters, "page_size": PAGE})
    began = time.perf_counter()
    server.request("GET", f"/api/events?{query}", headers={"Authorization": f"Bearer {key}"})
    answer = server.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"GET /api/events?{query}: {answer.status} {body!r}")
    return milliseconds(began)


def _select(sql: str, values: Sequence[Any]) -> float:
    from django.db import connection

    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        cursor.fetchall()
    return milliseconds(began)
