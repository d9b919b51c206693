"""How PostgreSQL answers the lists of events: from an index, in its order, without sorting."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.cast import Sender, sender
from tests.plans import plan, read_more_than_it_shows
from tracking import partitions, retention
from tracking.ids import first_id_at
from tracking.models import Application, Event, Session

EVENTS = 24_000
APPLICATIONS = ("shop", "blog", "game")
# A third of the events lies in the partition before this month, the others in this month's.
THIS_MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
START = THIS_MONTH - timedelta(seconds=EVENTS // 3)

FILL = """
INSERT INTO tracking_event (id, application_id, session_id, category, name, data, "timestamp",
                            received_at)
SELECT overlay(first::text PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid, application,
       lpad(to_hex(n %% 12), 32, '0')::uuid, 'category ' || n %% 7, 'name ' || n %% 11, '{"a": 1}',
       "timestamp", "timestamp"
  FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[]) WITH ORDINALITY
       AS event(first, "timestamp", application, n)
"""


@pytest.fixture
def shops(transactional_db: None) -> list[Sender]:
    """Three applications with many events, in sessions of 2,000, over two partitions."""
    senders = [sender(name) for name in APPLICATIONS]
    moments = [START + timedelta(seconds=n) for n in range(EVENTS)]
    ids = [first_id_at(moment) for moment in moments]
    owners = [senders[n % 3].application_id for n in range(EVENTS)]
    with connection.cursor() as cursor:
        cursor.execute(FILL, [ids, moments, owners])
        cursor.execute("VACUUM ANALYZE tracking_event")
    return senders


@pytest.fixture
def owner(transactional_db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    return client


def period(first: int, last: int) -> str:
    after, before = (START + timedelta(seconds=n) for n in (first, last))
    return f"timestamp_after={after:%Y-%m-%dT%H:%M:%S}&timestamp_before={before:%Y-%m-%dT%H:%M:%S}"


def received(first: int, last: int | None = None) -> str:
    return period(first, last or EVENTS).replace("timestamp", "created_at")


SESSION = f"session={UUID(int=1)}"
QUERIES = (
    "",
    "ordering=-timestamp",
    SESSION,
    f"{SESSION}&ordering=-timestamp",
    "category=category 3",
    "category=category 3&ordering=-timestamp",
    "name=name 5",
    "category__icontains=CATEGORY 3",
    f"category=category 3&{period(2_000, 22_000)}",
    period(2_000, 22_000),
    f"{period(2_000, 22_000)}&ordering=-timestamp",
    period(20_000, 20_500),
    "application=shop&category=category 3",
    received(20_000),
    f"{received(20_000)}&ordering=-timestamp",
    received(20_000, 20_500),
    f"category=category 3&{received(2_000)}",
    f"name__icontains=NAME 3&application=shop&{received(2_000)}",
)


def ask(client: Client, path: str, key: str) -> tuple[Any, list[dict[str, Any]]]:
    """The answer, and the plan of the query that found its events."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    (sql,) = [q["sql"] for q in queries if '"tracking_event"."data"' in q["sql"]]
    return answer.json(), plan(sql)


@pytest.mark.parametrize("page", ["first", "next"])
def test_events_come_from_an_index_in_its_order(
    shops: list[Sender], owner: Client, page: str
) -> None:
    for query in QUERIES:
        for key in ("", shops[0].key):
            answer, nodes = ask(owner if not key else Client(), f"/api/events?{query}", key)
            if page == "next" and answer["next"]:
                answer, nodes = ask(owner if not key else Client(), answer["next"], key)
            assert answer["results"], query
            assert [n for n in nodes if read_more_than_it_shows(n)] == [], (query, bool(key))
            read = sum(
                n["Actual Rows"] * n["Actual Loops"] for n in nodes if "Index" in n["Node Type"]
            )
            assert read <= 500, query


@pytest.mark.parametrize("kind", ["", "category=category 3&", "category__icontains=5&name=name 1&"])
@pytest.mark.parametrize("ordering", ["timestamp", "-timestamp"])
def test_late_events_are_found_among_the_others(
    shops: list[Sender], kind: str, ordering: str
) -> None:
    """Received when it is told, an hour later to the microsecond, and after much longer."""
    late = timedelta(hours=1)
    for every, delay in ((5, late), (7, late + timedelta(microseconds=1)), (11, 9 * late)):
        rows = Event.objects.filter(pk__in=[*Event.objects.values_list("pk", flat=True)[::every]])
        rows.update(received_at=F("timestamp") + delay)
    since = START + timedelta(seconds=20_000)
    own = Event.objects.filter(application_id=shops[0].application_id, received_at__gte=since)
    wanted = own.filter(**{f: v for f, _, v in (p.partition("=") for p in kind.split("&")) if v})
    expected = [str(id) for id in wanted.order_by(ordering).values_list("pk", flat=True)]
    found: list[str] = []
    path = f"/api/events?{kind}ordering={ordering}&page_size=1000&{received(20_000)}"
    path = path.partition("&created_at_before")[0]
    while path:
        answer = shops[0].get(path).json()
        found += [row["id"] for row in answer["results"]]
        path = answer["next"]
    assert (found, len(found) > 10) == (expected, True)


def test_what_is_found_is_what_a_plain_query_finds(shops: list[Sender], owner: Client) -> None:
    rows = Event.objects.order_by("id")
    expected = [str(row.pk) for row in rows.filter(category="category 3")[:250]]
    found: list[str] = []
    path = "/api/events?category=category 3"
    for _ in range(3):
        answer, _ = ask(owner, path, "")
        found += [row["id"] for row in answer["results"]]
        path = answer["next"]
    assert found[:250] == expected


def test_what_an_application_keeps_no_longer_is_not_looked_for_among_the_others(
    shops: list[Sender],
) -> None:
    """It is little, as a rule, between much of others and much of its own that is newer."""
    game = shops[2].application_id
    cutoff = START + timedelta(seconds=EVENTS * 2 // 3)
    Event.objects.filter(timestamp__gte=cutoff).update(application=game)
    aged = Event.objects.filter(application=game, timestamp__lt=cutoff)
    aged.exclude(pk__in=[*aged.values_list("pk", flat=True)[:10]]).delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE tracking_event")
    Application.objects.filter(pk=game).update(retention_days=1)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        assert next(retention._slices(cutoff + timedelta(days=1))).events == 10
        sql = next(q["sql"] for q in queries if f"LIMIT {retention.SLICE}" in q["sql"])
        nodes = plan(sql)
    assert sum(n.get("Rows Removed by Filter", 0) for n in nodes) == 0
    assert not [n for n in nodes if read_more_than_it_shows(n)]


def test_the_sessions_of_a_past_month_are_found_and_counted_in_an_index(
    shops: list[Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "ENTRIES", 1_000)
    ids = Event.objects.order_by().values_list("session_id", flat=True).distinct()
    Session.objects.bulk_create(Session(pk=id, event_count=EVENTS // 12) for id in ids)
    Application.objects.update(retention_days=1)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        sliced = retention._slices(THIS_MONTH + timedelta(days=1))
        assert next(sliced).events
        for part in ("SELECT DISTINCT session_id", "SELECT count(*)"):
            (sql,) = [q["sql"] for q in queries if part in q["sql"]]
            nodes = plan(sql)
            assert not [n for n in nodes if read_more_than_it_shows(n)]
            read = [
                n["Actual Rows"] * n["Actual Loops"] for n in nodes if "Index" in n["Node Type"]
            ]
            assert sum(read) <= EVENTS // 6
        transaction.set_rollback(True)
