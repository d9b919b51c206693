"""The CSV of reports: what is in it, what is kept out of it, and who gets it."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from admin_ext import exports
from reports import builder
from reports.models import SessionReport
from tests.admin_ext.cast import Scene
from tests.cast import Sender, event, sender
from tracking.models import Application

EXPORT = reverse("admin:reports_sessionreport_export")
LIST = reverse("admin:reports_sessionreport_changelist")
COLUMNS = ("session", "applications", "by_category", "distance_px", "speed_p95")


def form(*columns: str, **more: Any) -> dict[str, Any]:
    chosen = {f"reportresource_{column}": "on" for column in columns or COLUMNS}
    return {"format": "0", "resource": "", **chosen, **more}


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv", response.content.decode()
    return list(csv.DictReader(io.StringIO(response.content.decode())))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("==2", "'==2"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("plain", "plain"),
        ("1-1", "1-1"),
        (-1, -1),
        (-1.5, -1.5),
        (0, 0),
        (None, ""),
        (["=1", "b"], "'=1, b"),
        ({"=1": 2}, '{"=1": 2}'),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
    ],
)
def test_a_cell_is_a_number_or_harmless_text(value: Any, written: Any) -> None:
    assert exports.cell(value) == written


def test_all_reports_are_exported_with_the_columns_chosen(owner: Client, scene: Scene) -> None:
    (row,) = rows(owner.post(EXPORT, form()))
    report = SessionReport.objects.get()
    assert tuple(row) == COLUMNS
    assert row["session"] == str(scene.session)
    assert float(row["distance_px"]) == report.distance_px
    assert float(row["speed_p95"]) == report.speed_p95
    assert row["by_category"] == '{"form": 1, "pointer": 2}'


def test_hostile_names_are_neutralised_and_numbers_are_not(owner: Client, session: UUID) -> None:
    sender("=HYPERLINK(1)").send(event(session))
    builder.build_stale()
    SessionReport.objects.update(distance_px=-1.5)
    (row,) = rows(owner.post(EXPORT, form()))
    assert row["applications"] == "'=HYPERLINK(1)"
    assert row["distance_px"] == "-1.5"


def test_selected_reports_only(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(event(uuid4()))
    builder.build_stale()
    selection = {"action": "export_admin_action", "_selected_action": [str(scene.session)]}
    page = owner.post(LIST, selection)
    assert b"Export 1 selected item" in page.content
    (row,) = rows(owner.post(EXPORT, form(export_items=[str(scene.session)])))
    assert row["session"] == str(scene.session)


def test_all_across_pages_are_exported_by_their_filters(owner: Client, scene: Scene) -> None:
    selection = {
        "action": "export_admin_action",
        "_selected_action": [str(scene.session)],
        "select_across": "1",
        "index": "0",
    }
    answer = owner.post(f"{LIST}?period=24h", selection)
    assert (answer.status_code, answer["Location"]) == (302, f"{EXPORT}?period=24h")


def test_the_filters_of_the_list_hold(owner: Client, scene: Scene, shop: Sender) -> None:
    another = sender("another")
    another.send(event(uuid4()))
    builder.build_stale()
    assert len(rows(owner.post(EXPORT, form()))) == 2
    filtered = f"{EXPORT}?application={shop.application_id}"
    (row,) = rows(owner.post(filtered, form()))
    assert row["session"] == str(scene.session)
    (row,) = rows(owner.post(f"{EXPORT}?q={str(scene.session)[:6]}", form()))
    assert row["session"] == str(scene.session)


def test_the_button_keeps_the_filters(owner: Client, scene: Scene) -> None:
    page = owner.get(f"{LIST}?errors=yes").content.decode()
    assert f'href="{EXPORT}?errors=yes"' in page


def test_too_many_rows_are_refused_with_a_word(
    owner: Client, scene: Scene, shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    shop.send(event(uuid4()))
    builder.build_stale()
    page = owner.post(EXPORT, form())
    assert page["Content-Type"].startswith("text/html")
    assert "More than 1 rows are too many for one file" in page.content.decode()


@pytest.mark.parametrize("items", [["nonsense"], [""], ["' OR 1=1"]])
def test_a_selection_that_is_none_is_refused(owner: Client, scene: Scene, items: list[str]) -> None:
    page = owner.post(EXPORT, form(export_items=items))
    assert page["Content-Type"].startswith("text/html")


def test_no_column_is_no_file(owner: Client, scene: Scene) -> None:
    page = owner.post(EXPORT, {"format": "0", "resource": ""})
    assert page["Content-Type"].startswith("text/html")
    assert b"Select at least 1 field" in page.content


def test_without_the_permission_there_is_no_file(outsider: Client, scene: Scene) -> None:
    assert outsider.get(EXPORT).status_code == 403
    assert outsider.post(EXPORT, form()).status_code == 403
    selection = {"action": "export_admin_action", "_selected_action": [str(scene.session)]}
    assert outsider.post(LIST, selection).status_code == 403


def test_an_analyst_may_export(analyst: Client, scene: Scene) -> None:
    assert len(rows(analyst.post(EXPORT, form()))) == 1


def test_what_an_export_costs(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(*[event(uuid4()) for _ in range(20)])
    builder.build_stale()
    with CaptureQueriesContext(connection) as queries:
        assert len(rows(owner.post(EXPORT, form()))) == 21
    asked = [query["sql"] for query in queries]
    assert len(asked) == 6, asked  # who asks, what to filter by, how many, rows, applications
    assert not any('"reports_sessionreport"."state"' in sql for sql in asked)
    assert Application.objects.count() == 1
