"""Pages: nothing twice, nothing lost, in both directions, while rows come and go."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from reports.builder import build_stale
from reports.models import SessionReport
from tests.cast import Sender, at, event
from tracking.models import Event, EventError, Session, SessionApplication

MORNING = datetime(2026, 1, 31, 9, tzinfo=UTC)


def ids(answer: Any, key: str = "id") -> list[Any]:
    return [row[key] for row in answer["results"]]


def pages(sender: Sender, path: str, link: str = "next") -> Iterator[Any]:
    """All pages of a list, following one of its links."""
    address = path
    while address:
        answer = sender.get(address).json()
        yield answer
        address = answer[link]


def opened(sender: Sender, count: int, created_at: datetime = MORNING) -> list[str]:
    """Sessions that were all first seen at the same moment; their ids in the list's order."""
    sessions = [Session(id=uuid4(), created_at=created_at) for _ in range(count)]
    Session.objects.bulk_create(sessions)
    SessionApplication.objects.bulk_create(
        SessionApplication(session=session, application_id=sender.application_id)
        for session in sessions
    )
    return sorted((str(session.pk) for session in sessions), reverse=True)


class TestTies:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
    def test_rows_of_one_moment_come_once_each(self, shop: Sender, size: int) -> None:
        expected = opened(shop, 7)
        found = [ids(page) for page in pages(shop, f"/api/sessions?page_size={size}")]
        assert [id for page in found for id in page] == expected
        assert all(len(page) == size for page in found[:-1])

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_the_way_back_is_the_way_there(self, shop: Sender, size: int) -> None:
        opened(shop, 7)
        there = list(pages(shop, f"/api/sessions?page_size={size}"))
        back = list(pages(shop, there[-2]["next"], "previous"))
        assert [ids(page) for page in back] == [ids(page) for page in reversed(there)]
        assert (there[0]["previous"], there[-1]["next"]) == (None, None)
        assert (back[-1]["previous"], back[0]["next"]) == (None, None)

    def test_events_of_one_moment_come_once_each(self, shop: Sender, session: UUID) -> None:
        shop.send(*[event(session, name=f"n{n}") for n in range(7)])
        found = [id for page in pages(shop, "/api/events?page_size=2") for id in ids(page)]
        assert found == [
            str(id) for id in Event.objects.order_by("id").values_list("id", flat=True)
        ]


class TestStability:
    def test_a_link_goes_on_at_the_same_place_while_rows_arrive(self, shop: Sender) -> None:
        old = opened(shop, 5)
        first = shop.get("/api/sessions?page_size=2").json()
        before = shop.get(first["next"]).json()
        opened(shop, 3, MORNING + timedelta(seconds=1))
        assert shop.get(first["next"]).json() == before
        assert ids(before) == old[2:4]

    def test_new_rows_are_before_the_first(self, shop: Sender) -> None:
        opened(shop, 3)
        second = shop.get(shop.get("/api/sessions?page_size=1").json()["next"]).json()
        newest = opened(shop, 1, MORNING + timedelta(seconds=1))
        assert [ids(page) for page in pages(shop, second["previous"], "previous")][-1] == newest

    def test_the_row_a_link_was_made_from_may_go(self, shop: Sender) -> None:
        old = opened(shop, 5)
        first = shop.get("/api/sessions?page_size=2").json()
        Session.objects.filter(pk=old[1]).delete()
        assert ids(shop.get(first["next"]).json()) == old[2:4]

    def test_from_beyond_the_end_the_way_leads_back(self, shop: Sender) -> None:
        old = opened(shop, 4)
        first = shop.get("/api/sessions?page_size=2").json()
        Session.objects.filter(pk__in=old[2:]).delete()
        beyond = shop.get(first["next"]).json()
        assert (ids(beyond), beyond["next"]) == ([], None)
        assert ids(shop.get(beyond["previous"]).json()) == old[:2]

    def test_links_keep_filters_and_page_size(self, shop: Sender, session: UUID) -> None:
        shop.send(*[event(session, name=f"n{n}", timestamp=at(n)) for n in range(5)])
        path = f"/api/events?session={session}&ordering=-timestamp&page_size=2"
        names = [[row["name"] for row in page["results"]] for page in pages(shop, path)]
        assert names == [["n4", "n3"], ["n2", "n1"], ["n0"]]


class TestNoTime:
    """Reports of sessions without events have no end: they are at the end of the list."""

    @pytest.fixture
    def expected(self, shop: Sender) -> list[str]:
        shop.send(*[event(uuid4(), timestamp=at(n // 2)) for n in range(5)])
        shop.send(*[event(uuid4(), category="", data={"n": n}) for n in range(4)])
        build_stale()
        reports = SessionReport.objects.all()
        assert reports.filter(ended_at=None).count() == 4
        return [str(report.pk) for report in reports]

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
    def test_they_come_once_each(self, shop: Sender, expected: list[str], size: int) -> None:
        there = list(pages(shop, f"/api/reports?page_size={size}"))
        assert [id for page in there for id in ids(page, "session")] == expected
        back = list(pages(shop, there[-1]["previous"] or "/api/reports", "previous"))
        found = [id for page in reversed(back) for id in ids(page, "session")]
        assert found == expected[: len(found)]


class TestPageSize:
    def test_it_is_a_hundred_unless_told(self, shop: Sender) -> None:
        opened(shop, 101)
        assert len(shop.get("/api/sessions").json()["results"]) == 100
        assert len(shop.get("/api/sessions?page_size=1000").json()["results"]) == 101

    @pytest.mark.parametrize(
        "size", ["0", "5000", "1001", "abc", "-1", "1.5", "²", "%00", "", "00000000015000"]
    )
    def test_another_is_refused(self, shop: Sender, size: str) -> None:
        answer = shop.get(f"/api/sessions?page_size={size}")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "bad_value"
        assert answer.json()["error"]["field"] == "page_size"


@pytest.mark.parametrize("route", ["events", "sessions", "errors", "reports"])
@pytest.mark.parametrize(
    "broken",
    [
        "",
        "abc",
        "%00",
        "ü",
        "after.",
        "after.x",
        "before.5",
        "after.5.x",
        "behind",
        "after..5",
        f"after.-1.{UUID(int=1)}",
        f"after.{'9' * 18}.{UUID(int=1)}",
        f"after.5.{'9' * 19}",
        f"after.5.{UUID(int=1)}.",
    ],
)
def test_a_broken_cursor_is_refused(shop: Sender, route: str, broken: str) -> None:
    answer = shop.get(f"/api/{route}?cursor={broken}")
    assert answer.status_code == 400, answer.content
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (
        "bad_value",
        "cursor",
    )


def test_a_cursor_may_name_a_place_where_nothing_is(shop: Sender) -> None:
    for route, place in (
        ("events", uuid4()),
        ("sessions", f"{'9' * 17}.{uuid4()}"),
        ("errors", f"0.{'9' * 18}"),
        ("reports", f".{uuid4()}"),
    ):
        for word in ("after", "before"):
            answer = shop.get(f"/api/{route}?cursor={word}.{place}")
            assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert not EventError.objects.exists()
