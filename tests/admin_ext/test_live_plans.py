"""What the live page costs does not depend on how many sessions, reports and events there were."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from admin_ext.live_sessions import MOST_SHOWN
from reports.parameters import PARAMETERS
from tests.cast import Sender, sender
from tests.plans import plan
from tracking.ids import first_id_at

DATA = reverse("admin:eye_live_data")
SESSIONS, LIVE = 20_000, 600
SECONDS = 60
FILL = """
INSERT INTO tracking_session (id, created_at, first_at, last_at, event_count, error_count, revision,
                              report_revision)
SELECT lpad(to_hex(n), 32, '0')::uuid, at, at - interval '1 min', at, 1, 0, 1, 1 FROM {rows};
INSERT INTO tracking_session_application (session_id, application_id)
SELECT lpad(to_hex(n), 32, '0')::uuid, (%(applications)s)[1 + n %% 2] FROM {rows};
INSERT INTO tracking_event (id, application_id, session_id, category, name, data, "timestamp",
                            received_at)
SELECT overlay(%(first)s::text PLACING lpad(to_hex({sessions} - n), 12, '0') FROM 25)::uuid,
       (%(applications)s)[1 + n %% 2], lpad(to_hex(n), 32, '0')::uuid, 'pointer', 'path',
       '{{"page": {{"path": "/"}}}}', at, at FROM {rows};
INSERT INTO reports_pointersecond (session_id, second, distance_px, moving_ms, samples, build)
SELECT lpad(to_hex(n), 32, '0')::uuid, date_trunc('second', at) - k * interval '1 s', 10, 1000, 60, 1
  FROM {rows}, generate_series(0, {seconds} - 1) AS k WHERE n < 4 * {live};
INSERT INTO reports_sessionreport
       (session_id, version, revision, computed_at, data_until, build, anew_build, events,
        by_category, by_name, other_kinds, errors, page_views, submits, active_ms, samples,
        distance_px, observed_ms, moving_ms, strokes, gaps, turning_rad, flips_x, flips_y, clicks,
        rage_bursts, flags)
SELECT lpad(to_hex(n), 32, '0')::uuid, %(version)s, 1, at, at, 1, 1, 1, '{{}}', '{{}}', 0, 0, 0, 0,
       0, 0, 600, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{{}}' FROM {rows};
ANALYZE tracking_session, tracking_session_application, tracking_event, reports_pointersecond,
        reports_sessionreport
"""
# The first so many within the last minute or two, the others before.
ROWS = f"""generate_series(0, {SESSIONS - 1}) AS n, LATERAL (
    SELECT %(end)s - CASE WHEN n < {LIVE} THEN n * interval '0.2 s' ELSE n * interval '1 min' END
           AS at) AS moment"""


@pytest.fixture
def shops(transactional_db: None) -> list[Sender]:
    """20,000 sessions, of which 600 are live, half of them another application's."""
    senders = [sender(name) for name in ("shop", "blog")]
    values: dict[str, Any] = {
        "applications": [one.application_id for one in senders],
        "end": now(),
        "first": first_id_at(now()),
        "version": PARAMETERS.version,
    }
    fill = FILL.format(rows=ROWS, live=LIVE, sessions=SESSIONS, seconds=SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(fill, values)
    return senders


def asked(client: Client, **query: Any) -> tuple[dict[str, Any], list[str]]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(DATA, query)
    found = [one["sql"] for one in queries if "tracking_session" in one["sql"]]
    assert len(found) == 2
    return answer.json(), found


def read(sql: str, sessions: int, steps: int) -> None:
    """Checks that no table is read whole, and how many rows are looked at for so many sessions."""
    nodes = [node for node in plan(sql) if "Scan" in node["Node Type"] and "Relation Name" in node]
    rows = {id(node): node["Actual Rows"] * node["Actual Loops"] for node in nodes}
    whole = [
        node for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Rows"] > 100
    ]
    assert not whole, sql
    assert sum(rows.values()) <= sessions * steps, sql


def test_all_that_are_live_are_read_by_indexes(owner: Client, shops: list[Sender]) -> None:
    answer, (summary, changed) = asked(owner)
    assert answer["board"]["total"] == LIVE
    assert len(answer["board"]["sessions"]) == MOST_SHOWN
    read(summary, LIVE, steps=1)
    # Its row, its report, its application and that one's name, its event twice; and its line.
    read(changed, LIVE, steps=7 + SECONDS)


def test_what_has_not_changed_is_not_looked_into(owner: Client, shops: list[Sender]) -> None:
    cursor = int(now().timestamp())
    answer, (_, changed) = asked(owner, since=cursor)
    there = len(answer["board"]["sessions"])
    assert there < 100
    read(changed, LIVE, steps=2 + there * (7 + SECONDS) // LIVE + 1)


def test_an_application_has_only_its_own_looked_into(owner: Client, shops: list[Sender]) -> None:
    answer, (summary, changed) = asked(owner, application=shops[1].application_id)
    assert answer["board"]["total"] == len(answer["board"]["sessions"]) == LIVE // 2
    read(summary, LIVE, steps=2)
    read(changed, LIVE, steps=9 + SECONDS // 2)
