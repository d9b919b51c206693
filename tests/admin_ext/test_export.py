"""Files of reports: what is in them, what is kept out of them, and who gets them."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from admin_ext import exports
from admin_ext.report_columns import LINE
from reports import builder, export
from reports.models import SessionReport
from tests.admin_ext.cast import Scene
from tests.cast import Sender, at, event, sender
from tracking.models import Application, AuditEntry, Session

EXPORT = reverse("admin:reports_sessionreport_export")
EXPORT_ALL = reverse("admin:reports_sessionreport_export_all")
LIST = reverse("admin:reports_sessionreport_changelist")
COLUMNS = ("session", "applications", "by_category", "distance_px", "speed_p95")


def form(*columns: str, **more: Any) -> dict[str, Any]:
    chosen = {f"reportresource_{column}": "on" for column in columns or COLUMNS}
    return {"format": "0", "resource": "", **chosen, **more}


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/csv"), response.content.decode()
    return list(csv.DictReader(io.StringIO(response.getvalue().decode(), newline="")))


def last_export() -> tuple[str, str, dict[str, Any]]:
    """Who took what, as the audit list has it."""
    entry = AuditEntry.objects.filter(action="reports.exported").latest("pk")
    return entry.actor, entry.target, entry.details


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
    assert (answer.status_code, answer["Location"]) == (302, f"{EXPORT_ALL}?period=24h")


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


def test_the_buttons_keep_the_filters(owner: Client, scene: Scene) -> None:
    page = owner.get(f"{LIST}?errors=yes").content.decode()
    assert f'href="{EXPORT_ALL}?errors=yes"' in page
    assert f'href="{EXPORT}?errors=yes"' in page


def test_all_that_the_list_shows_with_its_columns(owner: Client, scene: Scene) -> None:
    report = SessionReport.objects.get()
    (row,) = rows(owner.get(EXPORT_ALL))
    shown = owner.get(LIST).context["cl"]
    names = [column.__name__ for column in shown.list_display[1:]]
    assert [*row] == [name for name in names if name != "speed_line"]
    assert row["session"] == str(scene.session)
    assert (row["applications"], row["stale"]) == ("shop", "false")
    assert datetime.fromisoformat(row["ended_at"]) == report.ended_at
    for name in {*row} - {"session", "applications", "stale", "ended_at"}:
        assert float(row[name]) == getattr(report, name), name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 5),
        ("period=24h", 3),
        ("period=nonsense", 5),
        ("errors=yes", 2),
        ("errors=no&period=24h", 2),
        ("report=stale", 1),
        ("report=current&errors=no", 2),
        ("application=0", 0),
        ("q=00000000-0000-0000-0000-00000000000", 3),
        ("q=nonsense", 0),
        ("q=%00", 5),
        ("p=2", 5),
    ],
)
def test_as_many_rows_as_the_list_shows(
    owner: Client, scene: Scene, shop: Sender, query: str, expected: int
) -> None:
    shop.send(event(UUID(int=1)), event(UUID(int=2), timestamp=at(-172_800)))
    shop.send(event(UUID(int=3), category=""), event(uuid4()))
    builder.build_stale()
    Session.objects.filter(pk=UUID(int=1)).update(revision=F("revision") + 1)
    found = rows(owner.get(f"{EXPORT_ALL}?{query}"))
    assert len(found) == expected
    shown = owner.get(f"{LIST}?{query.replace('p=2', '')}").context["cl"].result_list
    assert {row["session"] for row in found} == {str(report.pk) for report in shown}


def test_reports_made_in_another_way_are_stale_as_in_the_api(owner: Client, shop: Sender) -> None:
    shop.send(*[event(uuid4()) for _ in range(3)])
    builder.build_stale()
    old, final, *_ = SessionReport.objects.values_list("pk", flat=True)
    SessionReport.objects.filter(pk__in=[old, final]).update(version="0:00000000")
    SessionReport.objects.filter(pk=final).update(final=True)
    for query, of_the_api in (("report=stale", "stale=yes"), ("report=current", "stale=no")):
        found = {row["session"] for row in rows(owner.get(f"{EXPORT_ALL}?{query}"))}
        in_the_api = owner.get(f"/api/reports?{of_the_api}").json()["results"]
        assert found == {row["session"] for row in in_the_api}
        assert (str(old) in found, str(final) in found) == (
            query == "report=stale",
            query != "report=stale",
        )


def test_an_unknown_filter_is_refused(owner: Client, scene: Scene) -> None:
    assert owner.get(f"{EXPORT_ALL}?version__gt=1").status_code == 400


def test_all_of_them_are_harmless_in_a_spreadsheet(owner: Client, session: UUID) -> None:
    for name in ('=HYPERLINK("//evil","x")', "a\r\n=1+1", "@b"):
        sender(name).send(event(session))
    builder.build_stale()
    SessionReport.objects.update(distance_px=-1.5)
    (row,) = rows(owner.get(EXPORT_ALL))
    assert row["applications"] == '\'=HYPERLINK("//evil","x"), a =1+1, @b'
    assert row["distance_px"] == "-1.5"


def test_all_of_them_come_in_many_pages_without_a_limit(
    owner: Client, scene: Scene, shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 3)
    monkeypatch.setattr(exports, "MOST_ROWS", 3)
    shop.send(*[event(uuid4()) for _ in range(10)])
    builder.build_stale()
    found = [row["session"] for row in rows(owner.get(EXPORT_ALL))]
    assert found == sorted({str(id) for id in SessionReport.objects.values_list("pk", flat=True)})


def test_who_exported_what_is_in_the_audit_list(owner: Client, scene: Scene) -> None:
    owner.get(f"{EXPORT_ALL}?errors=yes&q=%00")
    assert last_export() == ("owner", "csv", {"filters": "errors=yes&q=%00"})
    owner.post(f"{EXPORT}?period=24h", form())
    assert last_export() == ("owner", "csv", {"filters": "period=24h", "rows": 1})
    owner.post(EXPORT, form(format="1"))
    assert last_export() == ("owner", "xlsx", {"filters": "", "rows": 1})
    page = owner.get(reverse("admin:tracking_auditentry_changelist")).content.decode()
    assert "Reports exported" in page
    assert "rows: 1, filters: period=24h" in page


def test_a_workbook_has_numbers_as_numbers_and_harmless_text(owner: Client, session: UUID) -> None:
    sender("=HYPERLINK(1)").send(event(session))
    sender("a\x01b").send(event(session))
    builder.build_stale()
    SessionReport.objects.update(distance_px=-1.5, speed_p95=None)
    answer = owner.post(EXPORT, form(format="1"))
    assert answer["Content-Type"] == exports.SafeXLSX.CONTENT_TYPE
    sheet = load_workbook(io.BytesIO(answer.content)).active
    head, row = sheet.iter_rows()
    assert [cell.value for cell in head] == [*COLUMNS]
    found = {name: (cell.data_type, cell.value) for name, cell in zip(COLUMNS, row, strict=True)}
    assert found == {
        "session": ("s", str(session)),
        "applications": ("s", "'=HYPERLINK(1), ab"),
        "by_category": ("s", '{"page interaction": 2}'),
        "distance_px": ("n", -1.5),
        "speed_p95": ("n", None),
    }


@pytest.mark.parametrize("format", ["0", "1"])
def test_too_many_rows_are_refused_with_a_word(
    owner: Client, scene: Scene, shop: Sender, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    shop.send(event(uuid4()))
    builder.build_stale()
    page = owner.post(EXPORT, form(format=format))
    assert page["Content-Type"].startswith("text/html")
    assert "More than 1 rows are too many for one file" in page.content.decode()
    assert "Export all as CSV" in page.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("items", [["nonsense"], [""], ["' OR 1=1"]])
def test_a_selection_that_is_none_is_refused(owner: Client, scene: Scene, items: list[str]) -> None:
    page = owner.post(EXPORT, form(export_items=items))
    assert page["Content-Type"].startswith("text/html")


def test_no_column_is_no_file(owner: Client, scene: Scene) -> None:
    page = owner.post(EXPORT, {"format": "0", "resource": ""})
    assert page["Content-Type"].startswith("text/html")
    assert b"Select at least 1 field" in page.content


def test_without_the_permission_there_is_no_file(outsider: Client, scene: Scene) -> None:
    assert outsider.get(EXPORT_ALL).status_code == 403
    assert outsider.get(EXPORT).status_code == 403
    assert outsider.post(EXPORT, form()).status_code == 403
    selection = {"action": "export_admin_action", "_selected_action": [str(scene.session)]}
    assert outsider.post(LIST, selection).status_code == 403


def test_an_analyst_may_export(analyst: Client, scene: Scene) -> None:
    assert len(rows(analyst.get(EXPORT_ALL))) == 1
    assert len(rows(analyst.post(EXPORT, form()))) == 1


def test_what_an_export_costs(owner: Client, scene: Scene, shop: Sender) -> None:
    shop.send(*[event(uuid4()) for _ in range(20)])
    builder.build_stale()
    with CaptureQueriesContext(connection) as queries:
        assert len(rows(owner.post(EXPORT, form()))) == 21
    asked = [query["sql"] for query in queries]
    # Who asks, what to filter by, how many, rows, applications, and who it was for the audit list.
    assert len(asked) == 8, asked
    assert not any('"reports_sessionreport"."state"' in sql for sql in asked)
    assert Application.objects.count() == 1


def test_what_a_list_can_show_can_be_exported() -> None:
    """But for the line, which is a picture."""
    reports: Any = admin.site.get_model_admin(SessionReport)
    shown = {column.__name__ for column in (*reports.list_display, *reports.more_columns)}
    assert shown - {LINE} <= set(export.EVERYTHING)
