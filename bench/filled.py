"""A database as it is after months: events, sessions and reports, made by PostgreSQL itself."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from bench import stage

MONTHS = 6
EVENTS_A_SESSION = 100
APPLICATIONS = 5
CATEGORIES = 40
NAMES = 200
CHUNK = 500_000

# Ids as tracking/ids.py makes them: 48 and 12 bits of microseconds, then the hash.
EVENTS = """
INSERT INTO tracking_event
       (id, application_id, session_id, category, name, data, "timestamp", received_at)
SELECT (lpad(to_hex(us >> 12), 12, '0') || '8' || lpad(to_hex(us & 4095), 3, '0') || '8'
        || substr(md5(n::text), 1, 15))::uuid,
       (%(applications)s::bigint[])[1 + n / %(per_session)s %% %(owners)s],
       md5('session' || n / %(per_session)s)::uuid,
       'category ' || least(n * 7919 %% %(categories)s, n * 104729 %% %(categories)s),
       'name ' || n * 6007 %% %(names)s,
       '{"host": "www.example.com", "path": "/", "element": "a button"}',
       to_timestamp(us / 1e6), to_timestamp(us / 1e6 + 1)
  FROM (SELECT n, %(start)s + n * %(step)s AS us
          FROM generate_series(%(first)s::bigint, %(last)s) AS n) AS numbered
"""
# One in fifty has errors, one in a thousand a report to come.
SESSIONS = """
INSERT INTO tracking_session
       (id, created_at, first_at, last_at, event_count, error_count, revision, report_revision)
SELECT md5('session' || n)::uuid, to_timestamp(us / 1e6 + 1), to_timestamp(us / 1e6),
       to_timestamp((us + %(per_session)s * %(step)s::bigint) / 1e6), %(per_session)s,
       (n %% 50 = 0)::int, 2, 2 - (n %% 1000 = 0)::int
  FROM (SELECT n, %(start)s + n * %(per_session)s * %(step)s::bigint AS us
          FROM generate_series(%(first)s::bigint, %(last)s) AS n) AS numbered
"""
LINKS = """
INSERT INTO tracking_session_application (session_id, application_id)
SELECT md5('session' || n)::uuid, (%(applications)s::bigint[])[1 + n %% %(owners)s]
  FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
REPORTS = """
INSERT INTO reports_sessionreport
       (session_id, version, revision, computed_at, data_until, build, anew_build, state,
        events, by_category, by_name, other_kinds, errors, page_views, submits,
        started_at, ended_at, duration_ms, active_ms, samples, distance_px, observed_ms,
        moving_ms, span_ms, mean_speed, mean_speed_elapsed, speed_p50, speed_p95, peak_speed,
        median_dt_ms, acceleration_p95, strokes, gaps, straightness, turning_rad,
        flips_x, flips_y, clicks, rage_bursts, flags)
SELECT id, %(version)s, 2, last_at, last_at, 2, 1, decode(repeat(md5(id::text), 20), 'hex'),
       event_count, '{"pointer": 80, "page interaction": 20}',
       '{"pointer": {"path": 80}, "page interaction": {"pageview": 15, "cta click": 5}}', 0,
       error_count, 15, 0, first_at, last_at, 1000 * ms, 600 * ms, 4800, 90000 * ms, 70000 * ms,
       60000 * ms, 80000 * ms, 1500 * ms, 900 * ms, 1100 * ms, 3300 * ms, 9100 * ms,
       16.7, 52000 * ms, 120, 7, ms, 300 * ms, 44, 31, 5, 0,
       CASE WHEN ms > 0.9 THEN '{coarse,clock_skew}'::text[] ELSE '{}' END
  FROM (SELECT tracking_session.*, get_byte(uuid_send(id), 0) / 256.0 + 1 / 7.0 AS ms
          FROM tracking_session WHERE report_revision > 0) AS session
"""


@dataclass(frozen=True)
class Filled:
    applications: list[int]
    events: int
    # µs since 1970 of the first event, and from one to the next.
    start: int
    step: int

    def values(self) -> dict[str, Any]:
        return {
            "applications": self.applications,
            "owners": APPLICATIONS,
            "per_session": EVENTS_A_SESSION,
            "categories": CATEGORIES,
            "names": NAMES,
            "start": self.start,
            "step": self.step,
        }


@cache
def filled(events: int) -> Filled:
    """Events of five applications over six months, month by month in a partition each.

    The scenarios that read it come last, and none of them changes it.
    """
    made = plan(events)
    partitions()
    chunks("events", EVENTS, events, made.values())
    sessions_and_reports(made)
    stage.sql("VACUUM ANALYZE tracking_event")
    return made


def plan(events: int) -> Filled:
    from django.utils.timezone import now

    from tracking.ids import EPOCH, MICROSECOND

    stage.empty()
    names = [f"application {n}" for n in range(1, APPLICATIONS + 1)]
    applications = [stage.sender(name).application_id for name in names]
    start = (now() - timedelta(days=30 * MONTHS) - EPOCH) // MICROSECOND
    step = timedelta(days=30 * MONTHS) // MICROSECOND // events
    return Filled(applications, events, start, step)


def sessions_and_reports(made: Filled) -> None:
    from reports.parameters import PARAMETERS

    count = made.events // EVENTS_A_SESSION
    chunks("sessions", SESSIONS, count, made.values())
    chunks("sessions' applications", LINKS, count, made.values())
    stage.say(f"{count:,} reports")
    stage.sql(REPORTS, {"version": PARAMETERS.version})
    for table in ("tracking_session", "tracking_session_application", "reports_sessionreport"):
        stage.sql(f"VACUUM ANALYZE {table}")


def chunks(what: str, statement: str, count: int, values: dict[str, Any]) -> None:
    for first in range(0, count, CHUNK):
        last = min(first + CHUNK, count) - 1
        stage.sql(statement, {**values, "first": first, "last": last})
        stage.say(f"{last + 1:,} of {count:,} {what}")


def partitions() -> None:
    """As they would be after six months: the empty ones of a new database go first."""
    from django.utils.timezone import now

    from tracking.partitions import ensure_partitions

    children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    for (name,) in stage.sql(children, ["tracking_event"]):
        stage.sql(f"DROP TABLE {name}")
    ensure_partitions(now() - timedelta(days=30 * (MONTHS + 1)))
    ensure_partitions(now())
