"""Lists of reports, and all of them as CSV."""

import csv
import io
import tracemalloc
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client

from reports import export, staleness
from reports.builder import build_stale
from reports.models import SessionReport
from tests.cast import Sender, at, event, path, sender
from tracking.models import Application


@pytest.fixture
def owner(transactional_db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("owner"))
    return client


@pytest.fixture
def reports(shop: Sender, session: UUID) -> Sender:
    """Three reports: one with a pointer, one with a wrong event only, one of an hour ago."""
    shop.send(
        path(session, 0, [0, 100, 200], [0, 15, 30], [0, 0, 0]),
        event(UUID(int=2), category=""),
        event(UUID(int=3), timestamp=at(-3_600)),
    )
    build_stale()
    return shop


def sessions(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["session"] for row in answer.json()["results"]]


def rows(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))


QUERIES = [
    ("", 3),
    ("application=shop", 3),
    ("application=stranger", 0),
    ("session=00000000-0000-0000-0000-000000000003", 1),
    ("session_id=00000000-0000-0000-0000-000000000003&errors=no", 1),
    ("errors=yes", 1),
    ("errors=false", 2),
    ("stale=true", 0),
    ("stale=no", 3),
    (f"ended_at_after={quote(at(-60))}", 1),
    (f"ended_at__lte={quote(at(-60))}", 1),
    (f"started_at_gte={quote(at(-7_200))}&started_at_before={quote(at(1))}", 2),
]


@pytest.mark.parametrize(("query", "count"), QUERIES, ids=range(len(QUERIES)))
def test_the_list_and_the_file_have_the_same_filters(
    reports: Sender, stranger: Sender, owner: Client, query: str, count: int
) -> None:
    for client in (reports, owner):
        found = sessions(client.get(f"/api/reports?{query}"))
        assert len(found) == count
        in_file = [row["session"] for row in rows(client.get(f"/api/reports.csv?{query}"))]
        assert in_file == sorted(found)
    assert sessions(stranger.get(f"/api/reports?{query}")) == []
    assert rows(stranger.get(f"/api/reports.csv?{query}")) == []


def test_the_session_that_ended_last_is_first(reports: Sender, session: UUID) -> None:
    expected = [str(session), str(UUID(int=3)), str(UUID(int=2))]
    assert sessions(reports.get("/api/reports")) == expected


def test_a_report_has_all_columns_but_its_state(reports: Sender, session: UUID) -> None:
    row = reports.get("/api/reports").json()["results"][0]
    columns = {field.name for field in SessionReport._meta.fields} - {"state", "application_ids"}
    assert set(row) == columns | {"applications", "stale"}
    assert (row["distance_px"], row["applications"], row["stale"]) == (30, ["shop"], False)
    single = reports.get(f"/api/sessions/{session}/report").json()
    assert {name: row[name] for name in single} == single


def test_reports_made_in_another_way_are_stale(
    reports: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    SessionReport.objects.filter(errors=0).update(version="0:old")
    reports.send(event(UUID(int=2)))
    for few in (1_000, 0):
        monkeypatch.setattr(staleness, "FEW", few)
        stale = reports.get("/api/reports?stale=true")
        assert len(sessions(stale)) == 3
        assert all(row["stale"] for row in stale.json()["results"])
        assert {row["stale"] for row in rows(reports.get("/api/reports.csv?stale=1"))} == {"true"}
    assert sessions(reports.get("/api/reports?stale=false")) == []


def test_a_page_costs_as_many_queries_as_a_row(
    reports: Sender, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(2):
        reports.get("/api/reports")


class TestFile:
    def test_numbers_are_numbers_and_nothing_is_nothing(
        self, reports: Sender, session: UUID
    ) -> None:
        row = next(r for r in rows(reports.get("/api/reports.csv")) if r["session"] == str(session))
        report = SessionReport.objects.get(pk=session)
        assert float(row["distance_px"]) == report.distance_px
        assert float(row["speed_p95"]) == report.speed_p95
        assert (row["events"], row["acceleration_p95"], row["flags"]) == ("1", "", "coarse")
        assert row["by_name"] == '{"pointer": {"path": 1}}'
        assert "state" not in row

    def test_a_negative_number_stays_one(self, reports: Sender) -> None:
        SessionReport.objects.update(distance_px=-1.5)
        assert {row["distance_px"] for row in rows(reports.get("/api/reports.csv"))} == {"-1.5"}

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_text_is_no_formula(self, owner: Client, start: str) -> None:
        sender("x").send(event(uuid4()))
        Application.objects.update(name=f"{start}HYPERLINK(1)")
        SessionReport.objects.all().delete()
        build_stale()
        (row,) = rows(owner.get("/api/reports.csv"))
        assert row["applications"].startswith("'")
        assert row["applications"].endswith("HYPERLINK(1)")

    def test_a_row_is_a_line(self, owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        sender('two\nlines, "quoted"\r\nand more').send(*[event(uuid4()) for _ in range(5)])
        build_stale()
        monkeypatch.setattr(export, "PAGE_ROWS", 2)
        found = rows(owner.get("/api/reports.csv"))
        assert {row["applications"] for row in found} == {'two lines, "quoted" and more'}
        assert len({row["session"] for row in found}) == len(found) == 5

    @pytest.mark.parametrize("size", [1, 2, 3, 4])
    def test_pages_join(self, reports: Sender, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        whole = reports.get("/api/reports.csv").getvalue()
        monkeypatch.setattr(export, "PAGE_ROWS", size)
        assert reports.get("/api/reports.csv").getvalue() == whole

    def test_it_is_made_as_it_is_taken(
        self, reports: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(export, "PAGE_ROWS", 1)
        pages = export.pages(lambda after: SessionReport.objects.filter(pk__gt=after))
        next(pages)
        SessionReport.objects.all().delete()
        assert list(pages) == []

    def test_wide_rows_do_not_fill_the_memory(self, shop: Sender) -> None:
        shop.send(*[event(uuid4()) for _ in range(60)])
        build_stale()
        with connection.cursor() as cursor:
            wide = "jsonb_build_object('x', jsonb_build_object(repeat('y', 1000000), 1))"
            cursor.execute(f"UPDATE reports_sessionreport SET by_name = {wide}")
        tracemalloc.start()
        try:
            lengths = list(map(len, export.pages(lambda _: SessionReport.objects.all())))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sum(lengths) > 60e6
        assert peak < 30e6

    def test_all_applications_of_a_session_are_named(
        self, reports: Sender, stranger: Sender, session: UUID, owner: Client
    ) -> None:
        stranger.send(event(session))
        (row,) = rows(owner.get(f"/api/reports.csv?session={session}"))
        assert row["applications"] == "shop, stranger"
        assert row["stale"] == "true"

    @pytest.mark.parametrize("query", ["page_size=1", "cursor=x", "session=x", "nonsense=1"])
    def test_what_it_does_not_understand_is_json(self, shop: Sender, query: str) -> None:
        answer = shop.get(f"/api/reports.csv?{query}")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")

    def test_a_database_that_cannot_is_json(self, shop: Sender) -> None:
        other = connections.create_connection("default")
        with other.cursor() as blocker, connection.cursor() as cursor:
            blocker.execute("BEGIN; LOCK reports_sessionreport")
            cursor.execute("SET lock_timeout = '50ms'")
            answer = shop.get("/api/reports.csv")
            cursor.execute("RESET lock_timeout")
        other.close()
        assert (answer.status_code, answer["Content-Type"]) == (503, "application/json")
