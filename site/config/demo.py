"""Demo data: visits of the last weeks, through the inbox, the digest and the builders as real ones.

At scale 1 it is a service after a busy month: 100,000 sessions, some ten million events, a million
tasks. Each batch was received when its last event happened, so that the charts show those weeks.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from math import cos, pi
from random import Random
from time import sleep
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.timezone import now

from config.visitors import ORDER, SITES, Visit, visits
from reports.builder import build_stale
from reports.rollup import roll_up
from tracking import digest, event_types
from tracking.audit import Actor
from tracking.models import Application, Batch, Event, EventType
from tracking.partitions import ensure_partitions
from tracking.tasks import asked_for

SESSIONS, TASKS = 100_000, 1_000_000
DAYS = 28
# As many visits as a round digests and reports before it says how far it is.
ROUND = 500
EVENTS_IN_A_BATCH = 200
# Since then, the shop has sent the totals of its orders as text: something to be found.
BROKEN_FOR = timedelta(days=2)
# Each after the visit that it is about, and sooner rather than later.
TASK_ROWS = """
WITH visit AS (
     SELECT row_number() OVER () - 1 AS place, id, last_at, revision FROM tracking_session
      WHERE id IN (SELECT session_id FROM tracking_session_application
                    WHERE application_id = ANY(%(applications)s)))
INSERT INTO django_celery_results_taskresult
       (task_id, task_name, status, worker, date_created, date_started, date_done,
        content_type, content_encoding, result, task_args, task_kwargs, traceback, meta)
SELECT gen_random_uuid(), name, status, 'celery@demo-' || n %% 4, created,
       created + wait, created + wait + run, 'application/json', 'utf-8',
       CASE WHEN status = 'FAILURE' THEN '{"exc_type": "OperationalError", "exc_message": ["demo"]}'
            WHEN name = 'tracking.reprocess' THEN '{"demo": true}'
            ELSE format('{"session": "%%s", "revision": %%s}', id, revision) END,
       CASE name WHEN 'tracking.reprocess' THEN %(reprocess)s ELSE format('"(''%%s'',)"', id) END,
       '"{}"', CASE status WHEN 'FAILURE' THEN 'Traceback (demo)' END, '{"children": []}'
  FROM (SELECT n, id, revision, last_at + (now() - last_at) * random() ^ 4 AS created,
               interval '1 s' * (0.02 + random() ^ 4) AS wait,
               interval '1 s' * (0.05 + 4 * random() ^ 6) AS run,
               (ARRAY['reports.recompute', 'reports.trail', 'tracking.reprocess'])
                   [1 + floor(random() * 3)::int] AS name,
               CASE WHEN random() < 0.01 THEN 'FAILURE' ELSE 'SUCCESS' END AS status
          FROM generate_series(1, %(count)s) AS n
          JOIN visit ON place = n %% (SELECT count(*) FROM visit)) AS task
"""

type Say = Callable[[str], None]


class NotEmpty(Exception):
    """There are events of others."""


@dataclass(frozen=True, slots=True)
class Seeded:
    sessions: int
    events: int
    tasks: int


def seed(scale: float, number: int, say: Say, beside_others: bool = False) -> Seeded:
    """Raises `NotEmpty` where there are events of others, unless it is to stand beside them."""
    moment = now()
    if not beside_others and _others_sent_events():
        raise NotEmpty
    senders = _senders()
    ensure_partitions(moment)
    count, events = max(1, round(scale * SESSIONS)), 0
    dice = Random(number)  # noqa: S311 - no secret is made of it
    made = visits(dice, _starts(dice, count, moment), moment)
    for done, some in enumerate(batched(made, ROUND)):
        events += _send(some, senders)
        say(f"{min((done + 1) * ROUND, count):,} of {count:,} sessions, {events:,} events")
    tasks = _tasks(round(scale * TASKS), [*senders.values()])
    _analyze()
    return Seeded(count, events, tasks)


def _others_sent_events() -> bool:
    """Application by application: to look for any that is not of these reads all that are."""
    others = Application.objects.exclude(name__in=[site.name for site in SITES])
    return any(Event.objects.filter(application=other).exists() for other in others)


def _senders() -> dict[str, int]:
    made = {site.name: Application.objects.get_or_create(name=site.name)[0] for site in SITES}
    kind, is_new = EventType.objects.get_or_create(
        application=made[SITES[0].name], category=SITES[0].goal[0], name=SITES[0].goal[1]
    )
    if is_new:
        event_types.add_version(kind, ORDER, user=None)
    return {name: application.pk for name, application in made.items()}


def _starts(dice: Random, count: int, end: datetime) -> Iterator[tuple[datetime, bool]]:
    """Ascending; few at night, and fewer at weekends. Who begins last is still there."""
    moments = list[datetime]()
    while len(moments) < count:
        moment = end - dice.random() * timedelta(days=DAYS)
        busy = 0.55 - 0.45 * cos(2 * pi * (moment.hour + moment.minute / 60 - 3) / 24)
        if dice.random() < busy * (0.5 if moment.weekday() > 4 else 1):
            moments.append(moment)
    return ((moment, moment > end - BROKEN_FOR) for moment in sorted(moments))


def _send(some: tuple[Visit, ...], senders: dict[str, int]) -> int:
    """Into the inbox and on to the reports; how many events it was."""
    batches = [
        _batch(senders[visit.site.name], part, visit.end)
        for visit in some
        for part in batched(visit.events, EVENTS_IN_A_BATCH)
    ]
    Batch.objects.bulk_create(batches)
    _digest([batch.receipt for batch in batches])
    build_stale()
    roll_up()
    return sum(batch.n_events for batch in batches)


def _digest(receipts: list[UUID]) -> None:
    """Whatever else waits, or goes on coming in: until these are digested, here or by a worker."""
    while Batch.objects.filter(receipt__in=receipts).exists():
        if not digest.digest_once():
            sleep(digest.PAUSE_SECONDS)


def _batch(application_id: int, events: tuple[bytes, ...], received_at: datetime) -> Batch:
    body = b"[%s]" % b",".join(events)
    return Batch(
        application_id=application_id,
        received_at=received_at,
        n_events=len(events),
        size=len(body),
        body=body,
        next_at=now(),
    )


def _tasks(count: int, applications: list[int]) -> int:
    """Whoever runs one of these again touches nothing of other applications."""
    asked = asked_for({"application": applications[0]}, Actor("demo"))
    reprocess = json.dumps(repr((asked,)))
    values: dict[str, Any] = {"count": count, "applications": applications, "reprocess": reprocess}
    with connection.cursor() as cursor:
        cursor.execute(TASK_ROWS, values)
    return count


def _analyze() -> None:
    """What was filled in minutes is not yet known to the planner."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
