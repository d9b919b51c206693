"""The parts of a session's page: its heatmaps, the tasks that touched it, what its report says."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries

from admin_ext import report_words, session_page
from reports import builder
from reports.models import SessionReport
from tests.admin_ext.cast import HOSTILE, Scene, staff
from tests.admin_ext.test_sessions import page_of
from tests.cast import Sender, at, event, path, sender
from tests.plans import plan
from tracking.models import EventError, Session

WIDTH = 640


def heat_url(session: UUID) -> str:
    return reverse("admin:tracking_session_heat", args=[session])


def walked(session: UUID, second: float, page: str, x: list[float]) -> Any:
    sent = path(session, second, [n * 50.0 for n in range(len(x))], x, [5.0] * len(x))
    sent["data"]["page"] = {"path": page, "w": WIDTH, "scroll_x": 0, "scroll_y": 0}
    return sent


def clicked(session: UUID, second: float) -> Any:
    data = {"x": 15, "y": 25}
    return event(session, category="pointer", name="click", data=data, timestamp=at(second))


@pytest.fixture
def walk(shop: Sender, session: UUID) -> UUID:
    """Four samples on one page, in three squares of 10 px, and a click; one sample on another."""
    shop.send(
        walked(session, 0, "/cart", [5.0, 6.0, 15.0, 25.0]),
        clicked(session, 1),
        walked(session, 2, HOSTILE[0], [5.0]),
    )
    builder.build(session)
    return session


class TestTheHeatmap:
    def test_it_counts_every_sample_and_click(
        self, owner: Client, walk: UUID, shop: Sender
    ) -> None:
        heat = owner.get(heat_url(walk)).json()
        place = {"application": shop.application_id, "of": "shop"}
        assert heat["pages"] == [{**place, "page": "/cart"}, {**place, "page": HOSTILE[0]}]
        assert heat["shown"] == 0
        assert heat["move"]["bins"] == [[0, 0, 2], [1, 0, 1], [2, 0, 1]]
        assert (heat["move"]["total"], heat["move"]["max"]) == (4, 2)
        assert heat["click"]["bins"] == [[1, 2, 1]]

    def test_another_page_is_asked_for_by_its_path(
        self, owner: Client, walk: UUID, shop: Sender
    ) -> None:
        asked: Any = {"application": shop.application_id, "page": HOSTILE[0]}
        heat = owner.get(heat_url(walk), asked).json()
        assert (heat["shown"], heat["move"]["total"], heat["click"]["total"]) == (1, 1, 0)

    def test_the_first_page_stands_for_one_that_is_not_there(
        self, owner: Client, walk: UUID
    ) -> None:
        for asked in ({"page": "/gone", "application": "x"}, {"page": "\0"}, {"page": "/cart"}):
            assert owner.get(heat_url(walk), asked).json()["shown"] == 0

    def test_the_same_path_of_two_applications_is_two_pages(
        self, owner: Client, walk: UUID
    ) -> None:
        other = sender("elsewhere")
        other.send(walked(walk, 3, "/cart", [305.0]))
        builder.build(walk)
        asked: Any = {"application": other.application_id, "page": "/cart"}
        heat = owner.get(heat_url(walk), asked).json()
        assert heat["move"]["bins"] == [[30, 0, 1]]
        assert [page["of"] for page in heat["pages"]].count("elsewhere") == 1

    def test_a_session_without_a_pointer_has_no_page(self, owner: Client, scene: Scene) -> None:
        assert owner.get(heat_url(scene.session)).json() == {"pages": []}
        assert owner.get(heat_url(uuid4())).json() == {"pages": []}

    def test_it_is_for_who_may_see_sessions_and_reports(self, walk: UUID) -> None:
        for name, permissions, code in (
            ("guest", ["view_session"], 403),
            ("reader", ["view_sessionreport"], 403),
            ("colleague", ["view_session", "view_sessionreport"], 200),
        ):
            assert staff(name, *permissions).get(heat_url(walk)).status_code == code, name
        assert Client().get(heat_url(walk)).status_code == 302

    def test_it_is_only_read(self, owner: Client, walk: UUID) -> None:
        assert owner.post(heat_url(walk)).status_code == 405

    def test_what_it_costs(
        self, owner: Client, walk: UUID, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        # Who asks (2), the pages, the hours of one of them.
        with django_assert_num_queries(4):
            owner.get(heat_url(walk))


def ran(name: str, session: UUID, status: str = "SUCCESS") -> Any:
    return TaskResult(
        task_id=str(uuid4()), task_name=name, task_args=f"\"('{session}',)\"", status=status
    )


class TestTheTasks:
    def test_those_of_the_session_are_listed_the_latest_first(
        self, owner: Client, scene: Scene
    ) -> None:
        for name, status in (("reports.recompute", "FAILURE"), ("reports.trail", "SUCCESS")):
            ran(name, scene.session, status).save()
        ran("reports.recompute", uuid4()).save()
        ran("reports.exports", scene.session).save()
        page = page_of(owner, scene.session)
        tasks = page[page.index('aria-label="Tasks"') :]
        assert tasks.index("reports.trail ·") < tasks.index("reports.recompute ·")
        assert tasks.count("reports.") == 2
        assert tasks.index("SUCCESS") < tasks.index("FAILURE")

    def test_where_there_is_none_it_says_how_one_comes(self, owner: Client, scene: Scene) -> None:
        assert "Recompute the report" in page_of(owner, scene.session)

    def test_they_are_found_by_an_index(self, scene: Scene) -> None:
        TaskResult.objects.bulk_create(ran("reports.trail", uuid4()) for _ in range(2_000))
        ran("reports.trail", scene.session).save()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE django_celery_results_taskresult")
        with CaptureQueriesContext(connection) as queries:
            assert len(session_page.latest_tasks(scene.session)) == 1
        nodes = plan(queries[0]["sql"])
        assert "eye_task_of_session" in {node.get("Index Name") for node in nodes}


class TestWhatTheReportSaysOfItself:
    def test_every_flag_is_explained(self, owner: Client, shop: Sender, session: UUID) -> None:
        shop.send(path(session, 0, [0.0, 100.0, 200.0], [0.0, 9_000.0, 0.0], [0.0] * 3))
        builder.build(session)
        (report,) = SessionReport.objects.all()
        assert {*report.flags} == {"coarse", "teleports"}
        page = page_of(owner, session)
        for flag in report.flags:
            assert f'aria-describedby="why-{flag}"' in page
            assert f'id="why-{flag}">{report_words.FLAGS[flag]}' in page

    def test_a_flag_of_an_earlier_algorithm_is_shown_too(self, owner: Client, scene: Scene) -> None:
        SessionReport.objects.update(flags=["odd"])
        assert report_words.UNKNOWN in page_of(owner, scene.session)

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({}, "up to date"),
            ({"version": "1:abc"}, "Reports are made in another way now."),
            ({"final": True}, "its report cannot be computed anew"),
        ],
    )
    def test_how_it_was_made(
        self, owner: Client, scene: Scene, columns: dict[str, Any], said: str
    ) -> None:
        SessionReport.objects.update(**columns)
        page = page_of(owner, scene.session).replace("&#x27;", "'")
        assert said in page[page.index("How it was made") :]

    def test_a_session_with_news_says_so(self, owner: Client, scene: Scene) -> None:
        Session.objects.filter(pk=scene.session).update(revision=1_000)
        assert "The session has news since." in page_of(owner, scene.session)


def test_an_error_that_was_mended_since_says_so(owner: Client, shop: Sender, session: UUID) -> None:
    shop.send(event(session), event(session, category=""))
    page = page_of(owner, session)
    assert ">resolved<" not in page
    EventError.objects.update(resolved_at=now())
    assert ">resolved<" in page_of(owner, session)
