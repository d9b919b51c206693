"""The sessions that are live, for the page that watches them: what changed since the last time.

An answer is remembered for the rest of its second, and its cursor is that second, so that those who
watch ask for the same and cost no more than one of them does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.utils.timezone import now

from admin_ext import display, queries
from tracking.ids import first_id_at

MOST_SHOWN = 500
# A session moves while its last event is no older; its events per second are counted over as long.
MOVING = timedelta(seconds=10)
LINE = timedelta(seconds=60)
# Of what was asked for longer ago, all is told anew.
OLDEST_CURSOR = 30
# A build says when it computed a report before others can see it.
COMMITS_WITHIN = timedelta(seconds=2)
REMEMBERED_SECONDS = 2
# Waiting for less is the ordinary way of an event.
WORTH_TELLING_SECONDS = 5
MOST_TEXT = 80
# A click or a form tells no page: it is the one that an event before it was on.
EVENTS_TO_A_PAGE = 20

# Read from `session_latest`, from its newest end to where sessions are live no more. Whether one is an
# application's is looked up for each: as an EXISTS it could become a walk over all that this has.
LIVE = """
SELECT id, first_at, last_at, event_count + expired_events AS events, error_count,
       report_revision < revision AS stale
  FROM tracking_session
 WHERE last_at >= %(live)s
   AND (%(application)s::bigint IS NULL OR (
            SELECT true FROM tracking_session_application AS sender
             WHERE sender.session_id = tracking_session.id
               AND sender.application_id = %(application)s))
"""
SUMMARY = f"""
SELECT (SELECT count(*) FROM ({LIVE}) AS live),
       (SELECT extract(epoch FROM now() - received_at)
          FROM tracking_batch ORDER BY id LIMIT 1)
"""
# Those that move, latest begun first: so they keep their places, and many more than are shown do
# not drive each other out. Then the others, latest event first.
SHOWN = f"""
{LIVE}
 ORDER BY last_at >= %(moving)s DESC,
          CASE WHEN last_at >= %(moving)s THEN first_at ELSE last_at END DESC, id DESC
 LIMIT %(limit)s
"""
# Those of them that changed; then for each a few steps into an index: its applications, its latest
# events (`event_timeline`), and the last minute of its pointer. (Where a LIMIT 1 seems needless, it
# keeps PostgreSQL from reading all reports at once instead.)
CHANGED = f"""
WITH changed AS MATERIALIZED (
    SELECT live.id, live.first_at, greatest(live.last_at, report.data_until) AS last_at,
           live.events, live.error_count, report.distance_px
      FROM ({SHOWN}) AS live
      LEFT JOIN LATERAL (
        SELECT computed_at, data_until, distance_px
          FROM reports_sessionreport WHERE session_id = live.id LIMIT 1
      ) AS report ON true
     WHERE live.stale OR report.computed_at IS NULL OR report.computed_at >= %(since)s
)
SELECT changed.*, sender.names, latest.page, recent.events, pointer.seconds, pointer.speeds
  FROM changed
 CROSS JOIN LATERAL (
    SELECT array_agg(application.name ORDER BY application.name) AS names
      FROM tracking_session_application AS sender
      JOIN tracking_application AS application ON application.id = sender.application_id
     WHERE sender.session_id = changed.id
 ) AS sender
  LEFT JOIN LATERAL (
    SELECT page FROM (
        SELECT left(coalesce(data -> 'page' ->> 'path',
                             CASE name WHEN 'pageview' THEN data ->> 'path' END),
                    %(text)s) AS page
          FROM tracking_event
         WHERE session_id = changed.id AND id >= %(live_id)s
         ORDER BY id DESC LIMIT %(events)s
    ) AS event WHERE page IS NOT NULL LIMIT 1
 ) AS latest ON true
 CROSS JOIN LATERAL (
    SELECT count(*) AS events FROM tracking_event
     WHERE session_id = changed.id AND id >= %(moving_id)s
 ) AS recent
 CROSS JOIN LATERAL (
    SELECT array_agg(date_part('epoch', second)::bigint) AS seconds,
           array_agg(round(1000 * distance_px / nullif(moving_ms, 0))::bigint) AS speeds
      FROM reports_pointersecond
     WHERE session_id = changed.id AND second > %(line)s
 ) AS pointer
"""


class LiveSession(msgspec.Struct):
    """Times in ms since 1970. The line: px/s in each second up to `line_end`, in s since 1970."""

    id: UUID
    applications: str
    page: str
    first: float
    last: float
    events: int
    errors: int
    events_per_s: float
    distance_px: float | None
    line_end: int
    line: list[int]


class Board(msgspec.Struct):
    """What changed since a cursor; or all there is, where it is `whole`."""

    whole: bool
    total: int
    waiting_s: int
    sessions: list[LiveSession]


class Timed(msgspec.Struct):
    now: float
    cursor: int
    board: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    etag: str


def answer(application: int | None, since: int) -> Answer:
    """What an application's live sessions, or those of all, have new since this cursor."""
    second = int(now().timestamp())
    since = since if second - OLDEST_CURSOR <= since <= second else 0
    name = f"live:{application}:{since}:{second}"
    return queries.remembered(name, REMEMBERED_SECONDS, lambda: _answer(application, since))


def _answer(application: int | None, since: int) -> Answer:
    moment = now()
    board = msgspec.json.encode(_board(application, since, moment))
    etag = blake2b(board, digest_size=12).hexdigest()
    timed = Timed(_ms(moment), int(moment.timestamp()), msgspec.Raw(board))
    return Answer(msgspec.json.encode(timed), f'"{etag}"')


def _board(application: int | None, since: int, moment: datetime) -> Board:
    parameters = _parameters(application, since, moment)
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, parameters)
        total, waiting = cursor.fetchone()
        cursor.execute(CHANGED, parameters)
        sessions = list(map(_session, cursor.fetchall()))
    waited = int(waiting or 0)
    return Board(
        whole=not since,
        total=total,
        waiting_s=waited if waited >= WORTH_TELLING_SECONDS else 0,
        sessions=sessions,
    )


def _parameters(application: int | None, since: int, moment: datetime) -> dict[str, Any]:
    live, moving = moment - queries.LIVE_FOR, moment - MOVING
    return {
        "application": application,
        "live": live,
        "live_id": first_id_at(live),
        "moving": moving,
        "moving_id": first_id_at(moving),
        "line": moment - LINE,
        "since": datetime.fromtimestamp(since, UTC) - COMMITS_WITHIN,
        "limit": MOST_SHOWN,
        "events": EVENTS_TO_A_PAGE,
        "text": MOST_TEXT + 1,
    }


def _session(row: tuple[Any, ...]) -> LiveSession:
    id, first, last, events, errors, distance, names, page, recent, seconds, speeds = row
    line_end, line = _line(seconds or [], speeds or [])
    return LiveSession(
        id=id,
        applications=_text(", ".join(names or ())),
        page=_text(page or ""),
        first=_ms(first),
        last=_ms(last),
        events=events,
        errors=errors,
        events_per_s=recent / MOVING.total_seconds(),
        distance_px=distance,
        line_end=line_end,
        line=line,
    )


def _text(text: str) -> str:
    return display.visible(display.shorten(text, MOST_TEXT))


def _line(seconds: list[int], speeds: list[int | None]) -> tuple[int, list[int]]:
    """The speed of each second from the first to the last of these: in between it rested."""
    if not seconds:
        return 0, []
    first, last = min(seconds), max(seconds)
    line = [0] * (last - first + 1)
    for second, speed in zip(seconds, speeds, strict=True):
        line[second - first] = speed or 0
    return last, line


def _ms(moment: datetime) -> float:
    return round(moment.timestamp() * 1000)
