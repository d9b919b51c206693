"""How PostgreSQL answers the lists of sessions and reports: by an index, whatever they are sorted by."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from admin_ext import counts
from admin_ext.columns import SEPARATOR
from reports.parameters import PARAMETERS
from tests.cast import sender
from tests.plans import plan, read_more_than_it_shows

SESSIONS = 20_000
PAGE_ROWS = 50
LISTS = {
    reverse("admin:tracking_session_changelist"): "tracking_session",
    reverse("admin:reports_sessionreport_changelist"): "reports_sessionreport",
}
# One in a hundred has flags, rage bursts, errors and an event of a rare kind.
FILL = """
INSERT INTO tracking_session (id, created_at, first_at, last_at, event_count, error_count, revision,
                              report_revision)
SELECT id, at, at, at, n, rare, 1, 1 FROM {rows};
INSERT INTO tracking_session_application (session_id, application_id)
SELECT id, %(application)s FROM {rows};
INSERT INTO reports_sessionreport
       (session_id, version, revision, computed_at, data_until, build, anew_build, events,
        by_category, by_name, other_kinds, errors, page_views, submits, started_at, ended_at,
        duration_ms, active_ms, samples, distance_px, observed_ms, moving_ms, mean_speed, speed_p50,
        speed_p95, peak_speed, median_dt_ms, strokes, gaps, turning_rad, flips_x, flips_y, clicks,
        rage_bursts, flags)
SELECT id, %(version)s, 1, at, at, 1, 1, n, '{{}}',
       CASE rare WHEN 1 THEN '{{"shop": {{"order": 1}}}}' ELSE '{{"page": {{"view": 2}}}}' END::jsonb,
       0, rare, several, several, at, at, n, n, n, n, n, n, maybe, maybe, maybe, maybe, maybe, 0, 0, 0, 0, 0,
       several, rare, CASE rare WHEN 1 THEN ARRAY['coarse'] ELSE ARRAY[]::varchar[] END
  FROM {rows};
ANALYZE tracking_session, tracking_session_application, reports_sessionreport
"""
ROWS = f"""(SELECT md5(n::text)::uuid AS id, n, %(end)s - n * interval '1 min' AS at, n %% 5 AS several,
                   (n %% 100 = 0)::int AS rare, CASE WHEN n %% 3 > 0 THEN 3 * n END AS maybe
              FROM generate_series(1, {SESSIONS}) AS n) AS filled"""


@pytest.fixture
def filled(transactional_db: None) -> None:
    values: dict[str, Any] = {
        "application": sender("shop").application_id,
        "version": PARAMETERS.version,
        "end": now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(rows=ROWS), values)


def ask(client: Client, list_url: str, query: dict[str, str]) -> tuple[Any, list[dict[str, Any]]]:
    """The list, and the plan of the query for its rows."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(list_url, query)
    assert answer.status_code == 200, query
    table = LISTS[list_url]
    (sql,) = [q["sql"] for q in queries if f'FROM "{table}"' in q["sql"] and "LIMIT 50" in q["sql"]]
    changes = answer.context["cl"]
    assert len(changes.result_list) == PAGE_ROWS, query
    return changes, plan(sql)


def read(nodes: list[dict[str, Any]]) -> float:
    """The most rows that a step of the plan looked at: what it gave, and what it left out."""
    return max(float(looked_at(node) * node["Actual Loops"]) for node in nodes)


def looked_at(node: dict[str, Any]) -> float:
    left_out = ("Rows Removed by Filter", "Rows Removed by Join Filter")
    return float(node["Actual Rows"] + sum(node.get(name, 0) for name in left_out))


@pytest.mark.parametrize("list_url", LISTS)
def test_every_number_is_read_in_its_order(filled: None, owner: Client, list_url: str) -> None:
    changes = owner.get(list_url).context["cl"]
    every = [*changes.model_admin.list_display, *changes.model_admin.more_columns]
    names = [column.__name__ for column in every if hasattr(column, "admin_order_field")]
    for name in names:
        for sign in ("", "-"):
            query = {"o": sign + name, "columns": SEPARATOR.join(names)}
            _, nodes = ask(owner, list_url, query)
            assert [node for node in nodes if read_more_than_it_shows(node)] == [], query
            assert read(nodes) <= 2 * PAGE_ROWS, query


FEW: tuple[dict[str, str], ...] = (
    {"flag": "any"},
    {"flag": "coarse"},
    {"rage": "yes"},
    {"category": "shop"},
    {"name": "order"},
    {"category": "shop", "name": "order", "rage": "yes"},
    {"errors": "yes"},
    {"duration_from": "19.9"},
    {"distance_to": "150", "o": "-speed_p95"},
    {"period": "24h"},
    {"live": "no"},
)


@pytest.mark.parametrize("list_url", LISTS)
def test_few_of_many_are_found_without_reading_the_others(
    filled: None, owner: Client, list_url: str
) -> None:
    for query in FEW:
        _, nodes = ask(owner, list_url, query)
        assert read(nodes) <= SESSIONS // 100 + PAGE_ROWS, query
        whole = [n for n in nodes if n["Node Type"] == "Seq Scan" and read_more_than_it_shows(n)]
        assert whole == [], query


def test_what_is_dear_to_count_is_estimated(
    filled: None, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (list_url, *_) = LISTS
    assert "1–50 of 20,000 sessions" in owner.get(list_url).content.decode()
    monkeypatch.setattr(counts, "CHEAP_COST", 100)
    with CaptureQueriesContext(connection) as queries:
        assert "1–50 of about 20,000 sessions" in owner.get(list_url).content.decode()
        assert "of about 13,000 sessions that have a p95 speed" in (
            owner.get(list_url, {"o": "speed_p95"}).content.decode()
        )
    assert "COUNT(" not in " ".join(query["sql"] for query in queries)
