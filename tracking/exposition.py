"""GET /metrics: what the web processes count and what waits in the database, as Prometheus reads it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tracking import metrics
from tracking.api.errors import ApiError, error_response

# No count goes on for longer: what is that long is alarming enough.
COUNT_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the gauges show, in their order; a field is a gauge."""

    inbox_batches: int
    inbox_events: int
    inbox_bytes: int
    inbox_oldest_seconds: float
    set_aside_batches: int
    stale_sessions: int
    last_minute_stored_events: int
    last_minute_duplicate_events: int
    last_minute_rejected_events: int


HELP = {
    "inbox_batches": "Batches waiting to be digested",
    "inbox_events": "Events in them",
    "inbox_bytes": "Their bodies, unpacked",
    "inbox_oldest_seconds": "Age of the oldest of them",
    "set_aside_batches": "Batches set aside, to be replayed",
    "stale_sessions": "Sessions whose report is behind their events",
    "last_minute_stored_events": "Stored, of the digested batches received in the last minute",
    "last_minute_duplicate_events": "Duplicate, of the same batches",
    "last_minute_rejected_events": "Rejected, of the same batches",
}

# Each part reads a bounded number of rows through an index: tracking_batch's own order,
# session_stale, receipt_newest.
WAITING = """
SELECT inbox.*, set_aside.*, stale.*, receipts.*
  FROM (SELECT count(*), coalesce(sum(n_events), 0), coalesce(sum(size), 0),
               coalesce(extract(epoch FROM now() - min(received_at)), 0)
          FROM (SELECT n_events, size, received_at FROM tracking_batch
                 ORDER BY id LIMIT %(limit)s) AS batch) AS inbox,
       (SELECT count(*) FROM (SELECT FROM tracking_setasidebatch LIMIT %(limit)s) AS batch
       ) AS set_aside,
       (SELECT count(*)
          FROM (SELECT FROM tracking_session WHERE report_revision < revision
                 ORDER BY last_at DESC NULLS LAST LIMIT %(limit)s) AS session) AS stale,
       (SELECT coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), coalesce(sum(rejected), 0)
          FROM (SELECT stored, duplicate, rejected FROM tracking_receipt
                 WHERE received_at >= now() - interval '1 minute'
                 ORDER BY received_at DESC, id DESC LIMIT %(limit)s) AS receipt) AS receipts
"""


def scrape(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        error = ApiError("method_not_allowed")
        return error_response(request, error, {"Allow": "GET, HEAD"})
    check_may_scrape(request)
    text = generate_latest(processes()) + generate_latest(Database.registry())
    return HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def check_may_scrape(request: HttpRequest) -> None:
    """The token needs no database; without one it takes staff who may see receipts."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if token or scheme:
        known = settings.EYE_METRICS_TOKEN
        if known and scheme.lower() == "bearer" and constant_time_compare(token.strip(), known):
            return
        raise ApiError("unauthorized", "Send Authorization: Bearer with the EYE_METRICS_TOKEN.")
    if not request.user.is_authenticated:
        raise ApiError("unauthorized", "Send the EYE_METRICS_TOKEN, or sign in to the admin.")
    if not (request.user.is_staff and request.user.has_perm("tracking.view_receipt")):
        raise ApiError("forbidden", "Metrics are for staff who may see receipts.")


def processes() -> CollectorRegistry:
    """What this web process has counted; or, where they share a folder, what all of them have."""
    if not (metrics.shared and Path(metrics.shared).is_dir()):  # old folders may get tidied away
        return metrics.registry
    registry = CollectorRegistry()
    MultiProcessCollector(registry, metrics.shared)  # type: ignore[no-untyped-call]
    return registry


class Database(Collector):
    """Asks when it is scraped. A database that is away takes its own gauges with it, no others."""

    @classmethod
    def registry(cls) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(cls())
        return registry

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        try:
            seen = waiting()
        except Error:
            connection.close()
            yield _up(False)
            return
        yield _up(True)
        for field in fields(seen):
            value: Any = getattr(seen, field.name)
            yield GaugeMetricFamily(f"eye_{field.name}", f"{HELP[field.name]}.", value=float(value))


def _up(up: bool) -> Metric:
    return GaugeMetricFamily("eye_database_up", "Whether PostgreSQL answered.", value=float(up))


def waiting() -> Waiting:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '2s'")
        cursor.execute(WAITING, {"limit": COUNT_LIMIT})
        return Waiting(*cursor.fetchone())
