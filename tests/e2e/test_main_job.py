"""The main job, whole: a newcomer's pointer, from the page to a CSV in an analyst's hands."""

import csv
import math
from itertools import pairwise

import pytest
from django.contrib.auth.models import User

from reports.models import SessionReport
from tests.e2e.conftest import Visitor
from tests.processes import Process

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TRIANGLE = [(150.0, 300.0), (550.0, 300.0), (550.0, 600.0), (150.0, 300.0)]
LENGTH = sum(math.dist(a, b) for a, b in pairwise(TRIANGLE))
SHOWN = "Number(document.querySelector('{}').textContent.replaceAll(',', ''))"


def test_a_pointers_way_from_the_page_to_the_export(visitor: Visitor, worker: Process) -> None:
    page = visitor.page
    User.objects.create_superuser("analyst", password="an eye for numbers")

    # Somebody moves the pointer, and sees its length as the workers have it.
    visitor.open("/")
    visitor.move_along(TRIANGLE)
    samples = len(visitor.reference())
    visitor.until(f"{SHOWN.format('#samples')} === {samples}")
    assert page.evaluate(SHOWN.format("#distance")) == pytest.approx(LENGTH, abs=samples)
    session = visitor.session()

    # Staff find the same session in the admin, by the link on the page. (Going to it with the
    # mouse would be part of the way.)
    link = page.get_attribute("text=Open this session in the admin", "href")
    visitor.open(str(link))
    page.fill("[name=username]", "analyst")
    page.fill("[name=password]", "an eye for numbers")
    page.click("button[type=submit]")
    page.wait_for_url(f"**/admin/tracking/session/{session}/change/")
    in_admin = page.evaluate(SHOWN.format("[data-fact=distance_px]"))
    assert in_admin == pytest.approx(LENGTH, abs=samples)

    # They have it recomputed; the task says so, and the number stays.
    page.click("text=Recompute report")
    page.click("#dialog button[type=submit]")
    page.wait_for_selector("text=1 of 1 finished")
    report = SessionReport.objects.get(pk=session)
    assert report.anew_build == report.build > 1
    assert report.distance_px == pytest.approx(LENGTH, abs=samples)

    # They export it, open the file, and read that number there.
    visitor.open("/admin/reports/sessionreport/")
    page.check("tbody input.action-select")
    page.select_option("select[name=action]", "export_admin_action")
    page.click("button[name=index]")
    page.select_option("select[name=format]", label="csv")
    with page.expect_download() as download:
        page.click("main button[type=submit], #content button[type=submit]")
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert row["session"] == str(session)
    assert float(row["distance_px"]) == pytest.approx(report.distance_px)
    assert (visitor.errors, visitor.said) == ([], [])
