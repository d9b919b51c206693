"""The lists of the API: what their filters find, and who may see it."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.timezone import now

from tests.cast import START, Sender, at, event, sender
from tracking import kinds
from tracking.api import events
from tracking.api.auth import session_token
from tracking.models import Application, Event, EventError, Session

ROUTES = ("events", "sessions", "errors", "reports", "reports.csv")


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def refusal(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["field"]


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("analyst", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def analyst(transactional_db: None) -> Client:
    """May see everything."""
    return staff(*(f"view_{name}" for name in ("event", "session", "eventerror", "sessionreport")))


@pytest.fixture
def day(shop: Sender, session: UUID) -> Sender:
    """A shop with five events, a second apart, in two sessions, of three kinds."""
    shop.send(
        event(session, name="open", category="page", timestamp=at(0)),
        event(session, name="Cta Click", category="page interaction", timestamp=at(1)),
        event(uuid4(), name="cta click", category="page interaction", timestamp=at(2)),
        event(session, name="50% off_now", category="form", timestamp=at(3)),
        event(session, name="close", category="page", timestamp=at(4)),
    )
    return shop


class TestEvents:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", "open,Cta Click,cta click,50% off_now,close"),
            ("ordering=timestamp", "open,Cta Click,cta click,50% off_now,close"),
            ("ordering=-timestamp", "close,50% off_now,cta click,Cta Click,open"),
            ("category=page", "open,close"),
            ("category=page&ordering=-timestamp", "close,open"),
            ("category=PAGE", ""),
            ("category=page%20interaction&name=cta+click", "cta click"),
            ("category__icontains=PAGE", "open,Cta Click,cta click,close"),
            ("category__icontains=page&category=form", ""),
            ("category__icontains=page&category=page", "open,close"),
            ("name=cta click", "cta click"),
            ("name__icontains=cta", "Cta Click,cta click"),
            ("name__icontains=CTA&category__icontains=inter", "Cta Click,cta click"),
            ("name__icontains=%25", "50% off_now"),
            ("name__icontains=_", "50% off_now"),
            ("name__icontains=nowhere", ""),
            ("application=shop", "open,Cta Click,cta click,50% off_now,close"),
            ("application=shop&category=form", "50% off_now"),
            ("application=stranger", ""),
            ("application=nobody&category=page", ""),
        ],
    )
    def test_filters(
        self, day: Sender, stranger: Sender, analyst: Client, query: str, found: str
    ) -> None:
        expected = found.split(",") if found else []
        for answer in (day.get(f"/api/events?{query}"), analyst.get(f"/api/events?{query}")):
            assert names(answer) == expected

    @pytest.mark.parametrize("name", ["session", "session_id", "session__id"])
    def test_of_one_session(self, day: Sender, session: UUID, name: str) -> None:
        found = day.get(f"/api/events?{name}={session}&category__icontains=page")
        assert names(found) == ["open", "Cta Click", "close"]
        assert found.json()["filters"][name] == str(session)

    @pytest.mark.parametrize("part", ["ärger", "Ärger", "ÄRGER"])
    def test_case_is_the_same_for_every_list(self, shop: Sender, session: UUID, part: str) -> None:
        shop.send(event(session, category="ÄRGER"))
        everywhere = shop.get(f"/api/events?category__icontains={part}")
        of_one = shop.get(f"/api/events?category__icontains={part}&session={session}")
        exactly = shop.get(f"/api/events?category__icontains={part}&category=ÄRGER")
        timeline = shop.get(f"/api/sessions/{session}/events?category__icontains={part}")
        assert names(everywhere) == names(of_one) == names(exactly) == names(timeline)

    @pytest.mark.parametrize("end", ["timestamp", "created_at"])
    @pytest.mark.parametrize("after", ["_after", "__gte", "_gte"])
    @pytest.mark.parametrize("before", ["_before", "__lte", "_lte"])
    def test_a_period_includes_both_ends(
        self, day: Sender, end: str, after: str, before: str
    ) -> None:
        column = "timestamp" if end == "timestamp" else "received_at"
        for place, row in enumerate(Event.objects.order_by("id")):
            Event.objects.filter(pk=row.pk).update(received_at=START + timedelta(seconds=place))
        first, last = (START + timedelta(seconds=n) for n in (1, 3))
        query = f"{end}{after}={quote(first.isoformat())}&{end}{before}={quote(last.isoformat())}"
        rows = day.get(f"/api/events?{query}").json()["results"]
        moments = [datetime.fromisoformat(row[column]) for row in rows]
        assert moments == [START + timedelta(seconds=n) for n in (1, 2, 3)]

    @pytest.mark.parametrize(
        ("written", "understood"),
        [
            ("2021-05-20", "2021-05-20T00:00:00Z"),
            ("2021-05-20T10:30", "2021-05-20T10:30:00Z"),
            ("2021-05-20 10:30:00.123456", "2021-05-20T10:30:00.123456Z"),
            ("2021-05-20T10:30:00Z", "2021-05-20T10:30:00Z"),
            ("2021-05-20T10:30:00%2B02:00", "2021-05-20T08:30:00Z"),
            ("2021-05-20T10:30:00+02:00", "2021-05-20T08:30:00Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999Z"),
        ],
    )
    @pytest.mark.parametrize(
        "name", ["timestamp_after", "timestamp_before", "created_at_after", "created_at_before"]
    )
    def test_a_moment_without_zone_is_utc(
        self, day: Sender, name: str, written: str, understood: str
    ) -> None:
        answer = day.get(f"/api/events?{name}={written}")
        assert answer.json()["filters"] == {name: understood}
        assert bool(names(answer)) == (("after" in name) == (understood < "2026"))

    def test_one_event(self, day: Sender, stranger: Sender, analyst: Client) -> None:
        row = day.get("/api/events?category=form").json()["results"][0]
        path = f"/api/events/{row['id']}"
        assert day.get(path).json() == analyst.get(path).json() == row
        assert (row["application"], row["data"]["host"]) == ("shop", "shop.example")
        assert (
            stranger.get(path).json()["error"] == day.get(f"/api/events/{uuid4()}").json()["error"]
        )
        assert stranger.get(path).status_code == 404

    def test_too_many_kinds_are_left_to_the_database(
        self, day: Sender, analyst: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kinds, "MOST_KINDS", 1)
        assert names(day.get("/api/events?name__icontains=CTA")) == ["Cta Click", "cta click"]
        monkeypatch.undo()
        monkeypatch.setattr(events, "MOST_PARTS", 1)
        found = names(analyst.get("/api/events?name__icontains=c&category__icontains=page"))
        assert found == ["Cta Click", "cta click", "close"]

    def test_several_applications_come_in_one_order(
        self, day: Sender, stranger: Sender, analyst: Client
    ) -> None:
        stranger.send(event(uuid4(), category="page", name="theirs", timestamp=at(2)))
        assert names(analyst.get("/api/events?category=page")) == ["open", "theirs", "close"]
        first = analyst.get("/api/events?category=page&page_size=2").json()
        rest = analyst.get(first["next"])
        assert names(rest) == ["close"]
        assert names(analyst.get(rest.json()["previous"])) == ["open", "theirs"]
        id = Application.objects.get(name="stranger").pk
        assert names(analyst.get(f"/api/events?application={id}")) == ["theirs"]

    def test_events_of_an_application_that_is_gone_are_still_there(
        self, day: Sender, analyst: Client
    ) -> None:
        Event.objects.filter(category="form").update(application_id=10**9)
        (row,) = analyst.get(
            "/api/events?ordering=timestamp&timestamp_after=" + quote(at(3))
        ).json()["results"][:1]
        assert (row["name"], row["application"]) == ("50% off_now", None)


class TestRefused:
    @pytest.mark.parametrize("route", ROUTES)
    def test_a_filter_that_does_not_exist(self, shop: Sender, route: str) -> None:
        answer = shop.get(f"/api/{route}?nonsense=1")
        assert refusal(answer) == (400, "unknown_filter", "nonsense")
        assert "application" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("session=x", "session"),
            ("session=", "session"),
            (f"session={UUID(int=1)}&session={UUID(int=2)}", "session"),
            (f"session={UUID(int=1)}&session_id={UUID(int=2)}", "session_id"),
            ("category=a%00b", "category"),
            ("category=", "category"),
            ("category=a&category=b", "category"),
            (f"name={'x' * 201}", "name"),
            ("name__icontains=%00", "name__icontains"),
            ("application=%00", "application"),
            ("timestamp_after=yesterday", "timestamp_after"),
            ("timestamp_after=10000-01-01", "timestamp_after"),
            ("timestamp_after=9999-12-31T23:59:59-15:00", "timestamp_after"),
            ("timestamp_before=2021-02-30", "timestamp_before"),
            ("timestamp__lte=%00", "timestamp__lte"),
            ("timestamp_after=2021-01-01&timestamp__gte=2021-01-02", "timestamp__gte"),
            ("created_at_after=0", "created_at_after"),
            ("ordering=name", "ordering"),
            ("ordering=timestamp,-timestamp", "ordering"),
            ("page_size=1&page_size=2", "page_size"),
            ("category=&category=", "category"),
        ],
    )
    def test_a_value_nobody_can_mean(self, shop: Sender, query: str, field: str) -> None:
        assert refusal(shop.get(f"/api/events?{query}")) == (400, "bad_value", field)

    def test_all_that_is_wrong_is_told_at_once(self, shop: Sender) -> None:
        errors = shop.get("/api/events?session=x&timestamp_after=y").json()["errors"]
        assert [error["field"] for error in errors] == ["session", "timestamp_after"]
        assert {error["code"] for error in errors} == {"bad_value"}

    @pytest.mark.parametrize(
        "query",
        [
            "session={0}&session_id={0}",
            "category=a&category=a",
            "timestamp_after=2021-01-01&timestamp__gte=2021-01-01T00:00:00Z",
        ],
    )
    def test_saying_the_same_twice_is_no_contradiction(self, shop: Sender, query: str) -> None:
        assert shop.get("/api/events?" + query.format(uuid4())).status_code == 200

    @pytest.mark.parametrize(
        "route", ["errors?resolved=maybe", "reports?stale=2", "reports?errors=x"]
    )
    def test_neither_yes_nor_no(self, shop: Sender, route: str) -> None:
        assert refusal(shop.get(f"/api/{route}"))[1] == "bad_value"


class TestWhoMaySee:
    @pytest.mark.parametrize("route", ROUTES)
    def test_nobody_without_a_key(self, shop: Sender, route: str) -> None:
        assert Client().get(f"/api/{route}").status_code == 401

    @pytest.mark.parametrize("route", [*ROUTES, f"events/{UUID(int=1)}", "errors/1"])
    def test_no_page(self, shop_pages: Sender, route: str) -> None:
        in_address = Client().get(f"/api/{route}?key={shop_pages.key}")
        assert {shop_pages.get(f"/api/{route}").status_code, in_address.status_code} == {403}

    @pytest.mark.parametrize("route", [*ROUTES, "errors/1"])
    def test_no_capture_page(self, shop: Sender, session: UUID, route: str) -> None:
        headers = {"X-Eye-Session-Token": session_token(session)}
        assert Client().get(f"/api/{route}", headers=headers).status_code == 403

    def test_the_capture_page_reads_the_events_of_its_session(
        self, day: Sender, session: UUID
    ) -> None:
        own, other = Event.objects.get(name="open"), Event.objects.get(name="cta click")
        headers = {"X-Eye-Session-Token": session_token(session)}
        assert Client().get(f"/api/events/{own.pk}", headers=headers).status_code == 200
        assert Client().get(f"/api/events/{other.pk}", headers=headers).status_code == 404

    @pytest.mark.parametrize("route", [*ROUTES, f"events/{UUID(int=1)}", "errors/1"])
    def test_staff_need_the_permission(self, transactional_db: None, route: str) -> None:
        assert staff().get(f"/api/{route}").status_code == 403

    def test_only_ones_own(self, day: Sender, stranger: Sender, session: UUID) -> None:
        stranger.send(event(session, name="mine"), event(uuid4(), category=""))
        assert names(stranger.get("/api/events")) == ["mine"]
        assert names(stranger.get(f"/api/sessions/{session}/events")) == ["mine"]
        assert len(stranger.get("/api/sessions").json()["results"]) == 2
        assert len(day.get("/api/sessions").json()["results"]) == 2
        assert day.get("/api/errors").json()["results"] == []
        for route in ("events", "sessions", "errors", "reports"):
            answer = stranger.get(f"/api/{route}?application=shop")
            assert (answer.status_code, answer.json()["results"]) == (200, [])


class TestSessions:
    def test_the_newest_is_first(self, day: Sender, session: UUID) -> None:
        answer = day.get("/api/sessions").json()
        created = [row["created_at"] for row in answer["results"]]
        assert created == sorted(created, reverse=True)
        (row,) = [row for row in answer["results"] if row["id"] == str(session)]
        assert (row["events"], row["applications"]) == (4, ["shop"])
        assert row == day.get(f"/api/sessions/{session}").json()

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("application=shop", 2),
            ("application=stranger", 0),
            ("created_at_after=2021-01-01", 2),
            ("created_at__lte=2021-01-01", 0),
            ("last_event_after=2021-01-01", 2),
            ("last_event_before=2021-01-01", 0),
        ],
    )
    def test_filters(
        self, day: Sender, stranger: Sender, analyst: Client, query: str, found: int
    ) -> None:
        for client in (day, analyst):
            assert len(client.get(f"/api/sessions?{query}").json()["results"]) == found

    def test_asked_for_by_their_last_event_they_come_in_that_order(self, shop: Sender) -> None:
        shop.send(
            *[event(UUID(int=n), timestamp=at(second)) for n, second in ((1, 2), (2, 9), (3, 5))]
        )
        shop.send(event(UUID(int=4), category=""))
        first = shop.get("/api/sessions?last_event_after=2021-01-01&page_size=2").json()
        rest = shop.get(first["next"]).json()
        found = [UUID(row["id"]).int for row in first["results"] + rest["results"]]
        assert (found, rest["next"]) == ([2, 3, 1], None)

    def test_a_page_costs_as_many_queries_as_a_row(
        self, shop: Sender, django_assert_max_num_queries: Any
    ) -> None:
        shop.send(*[event(uuid4()) for _ in range(30)])
        shop.get("/api/sessions")
        with django_assert_max_num_queries(2):
            assert len(shop.get("/api/sessions").json()["results"]) == 30


class TestErrors:
    @pytest.fixture
    def mistakes(self, shop: Sender, session: UUID) -> Sender:
        shop.send(event(session, category=""), event(session, data={}, timestamp="nonsense"))
        return shop

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("", "category,data,timestamp"),
            ("code=not_a_timestamp", "timestamp"),
            ("field=category", "category"),
            ("name=cta click", "category,data,timestamp"),
            ("category=page interaction", "data,timestamp"),
            ("resolved=true", ""),
            ("resolved=false", "category,data,timestamp"),
            ("application=shop", "category,data,timestamp"),
            ("application=stranger", ""),
            ("created_at_after=2021-01-01", "category,data,timestamp"),
            ("created_at_before=2021-01-01", ""),
            ("created_at__gte=2021-01-01&code=empty", "category,data"),
        ],
    )
    def test_filters(
        self, mistakes: Sender, stranger: Sender, analyst: Client, query: str, fields: str
    ) -> None:
        for client in (mistakes, analyst):
            rows = client.get(f"/api/errors?{query}").json()["results"]
            assert sorted(row["field"] for row in rows) == (fields.split(",") if fields else [])

    @pytest.mark.parametrize("name", ["session", "session_id", "session__id", "receipt"])
    def test_of_one_session_and_of_one_receipt(
        self, mistakes: Sender, session: UUID, name: str
    ) -> None:
        wanted = session if name != "receipt" else EventError.objects.all()[0].receipt_id
        assert len(mistakes.get(f"/api/errors?{name}={wanted}").json()["results"]) == 3
        assert mistakes.get(f"/api/errors?{name}={uuid4()}").json()["results"] == []

    def test_the_newest_is_first(self, mistakes: Sender, session: UUID) -> None:
        mistakes.send(event(session, category="x" * 201))
        assert mistakes.get("/api/errors").json()["results"][0]["code"] == "too_long"

    def test_one_error_shows_the_event_as_it_was_sent(
        self, mistakes: Sender, stranger: Sender, analyst: Client
    ) -> None:
        (row,) = mistakes.get("/api/errors?field=timestamp").json()["results"]
        path = f"/api/errors/{row['id']}"
        shown = mistakes.get(path).json()
        assert '"timestamp": "nonsense"' in shown.pop("payload")
        assert (shown, row["position"], row["value"]) == (row, 1, '"nonsense"')
        assert analyst.get(path).status_code == 200
        assert stranger.get(path).status_code == 404
        assert stranger.get("/api/errors/999999999999999999").status_code == 404

    def test_resolved_ones_can_be_left_out(self, mistakes: Sender) -> None:
        EventError.objects.filter(field="data").update(resolved_at=now())
        rows = mistakes.get("/api/errors?resolved=no").json()["results"]
        assert {row["field"] for row in rows} == {"category", "timestamp"}


@pytest.mark.parametrize("route", ["events", "sessions", "errors", "reports"])
def test_every_spelling_of_a_list_answers(shop: Sender, route: str) -> None:
    for path in (f"/api/{route}", f"/api/{route}/", f"/{route}", f"/{route}/"):
        answer = shop.get(path).json()
        assert answer == {"results": [], "next": None, "previous": None, "filters": {}}


def test_an_application_may_be_named_like_an_id(analyst: Client, session: UUID) -> None:
    other = sender("other")
    other.send(event(session, name="by name"))
    Application.objects.filter(name="other").update(name="12345")
    assert names(analyst.get("/api/events?application=12345")) == ["by name"]
    assert names(analyst.get("/api/events?application=99999999999999999999")) == []
    assert Session.objects.count() == 1
