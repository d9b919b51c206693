"""Rebuilding all reports from the admin: what is asked, who may, and the page that follows it."""

import pytest
from django.test import Client
from django.urls import reverse

from reports import rebuild
from reports.models import Rebuild
from tests.admin_ext.cast import Scene, staff
from tracking.models import AuditEntry

pytestmark = pytest.mark.usefixtures("empty_queue")

LISTS = ("admin:reports_rebuild_changelist", "admin:reports_sessionreport_changelist")
ALL = ("admin:reports_rebuild_rebuild_all", "admin:reports_sessionreport_rebuild_all")
CONFIRMED = {"_form_submitted": "on"}


def of(made: Rebuild, page: str) -> str:
    return reverse(f"admin:reports_rebuild_{page}", args=[made.pk])


@pytest.fixture
def operator(transactional_db: None) -> Client:
    return staff("operator", "view_rebuild", "view_sessionreport", "rebuild_sessionreport")


@pytest.mark.parametrize("address", ALL)
def test_the_question_says_how_many_and_the_answer_leads_to_its_page(
    operator: Client, scene: Scene, address: str
) -> None:
    question = operator.get(reverse(address)).content.decode()
    assert "Rebuild all reports?" in question
    assert "The workers compute every report anew, newest session first: 1." in question
    assert not Rebuild.objects.exists()
    answer = operator.post(reverse(address), CONFIRMED)
    made = Rebuild.objects.get()
    assert answer["HX-Redirect"] == of(made, "change")
    page = operator.get(answer["HX-Redirect"]).content.decode()
    assert "Running: 0 of 1 reports" in page
    assert 'hx-trigger="every 1s' in page.split('id="rebuild"')[1].split(">")[0]


def test_its_page_follows_it_to_its_end(operator: Client, scene: Scene) -> None:
    operator.post(reverse(ALL[0]), CONFIRMED)
    address = of(Rebuild.objects.get(), "change")
    asking = {"HX-Request": "true"}
    assert "HX-Refresh" not in operator.get(address, headers=asking)
    rebuild.run()
    assert operator.get(address, headers=asking)["HX-Refresh"] == "true"
    page = operator.get(address).content.decode()
    assert "Done: 1 of 1 reports" in page
    assert "hx-get" not in page.split('id="rebuild"')[1].split(">")[0]


def test_it_is_paused_resumed_and_cancelled_from_its_page(operator: Client, scene: Scene) -> None:
    operator.post(reverse(ALL[0]), CONFIRMED)
    made = Rebuild.objects.get()
    for change, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert operator.post(of(made, change), CONFIRMED)["HX-Redirect"] == of(made, "change")
        made.refresh_from_db()
        assert made.state == state
    actors = AuditEntry.objects.values_list("actor", flat=True)
    assert [*actors] == ["operator"] * 4
    answer = operator.post(of(made, "resume"), CONFIRMED)
    page = operator.get(answer["HX-Redirect"]).content.decode()
    assert f"Rebuild {made.pk} is not paused." in page


def offered(client: Client, made: Rebuild) -> set[str]:
    page = client.get(of(made, "change")).content.decode()
    return {change for change in ("pause", "resume", "cancel") if of(made, change) in page}


def test_the_page_of_one_that_is_over_changes_no_other(operator: Client, scene: Scene) -> None:
    operator.post(reverse(ALL[0]), CONFIRMED)
    over = Rebuild.objects.get()
    rebuild.cancel(rebuild.OURSELVES)
    other = rebuild.begin(rebuild.OURSELVES)
    assert offered(operator, other) == {"pause", "cancel"}
    assert offered(operator, over) == set()
    for change in ("pause", "cancel"):
        answer = operator.post(of(over, change), CONFIRMED)
        assert answer["HX-Redirect"] == reverse(LISTS[0])
        other.refresh_from_db()
        assert other.state == "running"
    rebuild.pause(rebuild.OURSELVES)
    assert offered(operator, other) == {"resume", "cancel"}
    operator.post(of(over, "resume"), CONFIRMED)
    other.refresh_from_db()
    assert other.state == "paused"


def test_who_may_only_look_may_not(analyst: Client, scene: Scene) -> None:
    made = rebuild.begin(rebuild.OURSELVES)
    for address in (*map(reverse, ALL), *(of(made, page) for page in ("pause", "cancel"))):
        assert analyst.post(address, CONFIRMED).status_code == 403
    for address in map(reverse, LISTS):
        assert b"Rebuild all" not in analyst.get(address).content
    assert Rebuild.objects.get().state == "running"
