"""The first page's figures cost the same however much there is: none scans what came in."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from admin_ext.spans import PERIODS
from tests.cast import Sender
from tests.plans import plan, read_more_than_it_shows

ROWS = 20_000
# A day has 1,440 minutes, each of which is a row.
MOST_READ = 1_700
LARGE = ("tracking_", "reports_", "django_celery_results_")
FILL = """
INSERT INTO tracking_receipt (id, application_id, state, received_at, digested_at, events, stored,
                              duplicate, rejected)
SELECT lpad(to_hex(n), 32, '0')::uuid, %(application)s, 'digested', at, at, 1, 1, 0, 0
  FROM {rows};
INSERT INTO tracking_session (id, created_at, first_at, last_at, event_count, error_count, revision,
                              report_revision)
SELECT lpad(to_hex(n), 32, '0')::uuid, at, at, at, 1, 0, 1, 1 FROM {rows};
INSERT INTO tracking_session_application (session_id, application_id)
SELECT id, %(application)s FROM tracking_session;
INSERT INTO django_celery_results_taskresult (task_id, status, content_type, content_encoding,
                                              date_created, date_done)
SELECT n, CASE n %% 100 WHEN 0 THEN 'FAILURE' ELSE 'SUCCESS' END, '', '', at, at FROM {rows};
INSERT INTO tracking_event (id, application_id, session_id, category, name, data, "timestamp",
                            received_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, %(application)s, lpad(to_hex(n), 32, '0')::uuid, 'page',
       'view', '{{}}', at, at FROM {rows};
INSERT INTO reports_rollup (application_id, step, start, sent, stored, duplicate, rejected, events,
                            sessions_started, sessions_ended, distance_px, moving_us, samples,
                            errors, speeds)
SELECT application, step, start, count(*), count(*), 0, 0, count(*), count(*), count(*), 0, 0, 0,
       '{{}}', ''
  FROM {rows}, unnest(ARRAY['minute', 'hour', 'day']) AS step,
       unnest(ARRAY[%(application)s, NULL]) AS application,
       date_trunc(step, at, 'UTC') AS start
 GROUP BY application, step, start;
ANALYZE tracking_receipt, tracking_session, tracking_session_application, tracking_event,
        django_celery_results_taskresult, reports_rollup
""".format(
    rows=f"generate_series(0, {ROWS - 1}) AS n, LATERAL "
    "(SELECT %(end)s - n * interval '30 s' AS at) AS moment"
)


@pytest.fixture
def full(shop: Sender) -> None:
    """A week with an event, in a session of its own, every half minute."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"application": shop.application_id, "end": now()})


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    ("period", "of_all"), [*((period, True) for period in PERIODS), ("24h", False)]
)
def test_no_figure_scans_receipts_events_or_sessions(
    owner: Client, shop: Sender, period: str, of_all: bool
) -> None:
    scope = {"period": period, "application": "" if of_all else str(shop.application_id)}
    with CaptureQueriesContext(connection) as queries:
        page = owner.get("/admin/", scope)
        data = owner.get(page.context["data_url"]).json()
    assert data["totals"]["stored"] == ROWS
    figures = {figure["name"]: figure for figure in data["figures"]}
    expected = min(ROWS, (data["to"] - data["from"]) / 30)
    assert int(figures["events"]["value"].replace(",", "")) == pytest.approx(expected, abs=3)
    assert figures["sessions"]["value"] == figures["events"]["value"]
    assert sum(bucket["stored"] for bucket in data["buckets"]) == pytest.approx(expected, abs=3)
    asked = [one["sql"] for one in queries if one["sql"].lstrip().startswith(("SELECT", "WITH"))]
    of_figures = [sql for sql in asked if "FROM tracking_" in sql or "reports_rollup" in sql]
    assert len(of_figures) >= 5
    for sql in asked:
        nodes = plan(sql)
        assert not [
            node
            for node in nodes
            if node.get("Relation Name", "").startswith(LARGE) and read_more_than_it_shows(node)
        ], sql
        read = [n["Actual Rows"] * n["Actual Loops"] for n in nodes if "Scan" in n["Node Type"]]
        assert sum(read) < MOST_READ, sql
