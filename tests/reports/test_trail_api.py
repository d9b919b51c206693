"""GET /sessions/{id}/trail: who computes it when, what it says, and that it goes with its session."""

import threading
from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from PIL import Image

from reports import builder, trail, trails
from reports.models import SessionTrail
from reports.parameters import PARAMETERS
from reports.tasks import compute_trail
from tests.cast import Sender, at, elsewhere, event, move, path
from tests.tracking.test_retention import keep, run, stroke
from tracking import erase, locks, retention
from tracking.api.auth import session_token
from tracking.audit import Actor
from tracking.models import Event, Session

VIEWPORT = {"w": 1_200, "h": 800}
ACTOR = Actor("shop")


@pytest.fixture
def moved(shop: Sender, session: UUID) -> UUID:
    """Right, a gap, and down on another page; a click, and three more that are one burst."""
    shop.send(
        walk(session, 0, "/", [(0, 0), (100, 0), (200, 0)]),
        walk(session, 2, "/cart", [(200, 0), (200, 50), (200, 300)], scroll_y=40),
        clicked(session, 1, "a.home"),
        *[clicked(session, 3 + n / 10, "<b>buy</b>") for n in range(3)],
        event(session, timestamp=at(60)),
    )
    return session


def walk(session: UUID, second: float, page: str, places: Any, **scroll: float) -> Any:
    xs, ys = map(list, zip(*places, strict=True))
    sent = path(session, second, [n * 100 for n in range(len(xs))], xs, ys)
    sent["data"] |= {"viewport": VIEWPORT, "page": {"path": page, "scroll_x": 0, **scroll}}
    return sent


def clicked(session: UUID, second: float, target: str) -> Any:
    data = {"x": 5, "y": 6, "button": 0, "target": target}
    return event(session, category="pointer", name="click", data=data, timestamp=at(second))


def url(session: UUID, query: str = "") -> str:
    return f"/api/sessions/{session}/trail{query}"


class TestWhatItSays:
    @pytest.fixture
    def answer(self, shop: Sender, moved: UUID) -> Any:
        trails.compute(moved)
        return shop.get(url(moved)).json()

    def test_strokes_in_the_order_of_time(self, answer: Any) -> None:
        assert answer["strokes"] == [
            {"t": [0, 200], "x": [0, 200], "y": [0, 0]},
            {"t": [2_000, 2_100, 2_200], "x": [200, 200, 200], "y": [0, 50, 300]},
        ]
        assert (answer["samples"], answer["points"], answer["tolerance_px"]) == (6, 5, 0.5)

    def test_when_it_began_and_how_long_it_was(self, answer: Any) -> None:
        assert (answer["start"].replace("Z", "+00:00"), answer["duration_ms"]) == (at(0), 3_200)

    def test_clicks_and_which_are_of_a_rage_burst(self, answer: Any) -> None:
        click = {"x": 5, "y": 6, "button": 0}
        assert answer["clicks"] == [
            {**click, "t": 1_000, "target": "a.home", "rage": False},
            *[{**click, "t": t, "target": "<b>buy</b>", "rage": True} for t in (3e3, 3.1e3, 3.2e3)],
        ]

    def test_pages_viewports_and_scroll(self, answer: Any) -> None:
        view = {**VIEWPORT, "scroll_x": 0}
        assert answer["views"] == [
            {**view, "t": 0, "page": "/", "scroll_y": None},
            {**view, "t": 2_000, "page": "/cart", "scroll_y": 40},
        ]
        assert answer["pages"] == ["/", "/cart"]
        assert answer["viewports"] == [VIEWPORT]

    def test_nothing_was_left_out(self, answer: Any) -> None:
        assert answer["left_out"] == {"strokes": 0, "clicks": 0, "views": 0}


def test_a_session_without_a_pointer_has_an_empty_one(shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    trails.compute(session)
    answer = shop.get(url(session)).json()
    assert (answer["strokes"], answer["start"], answer["duration_ms"]) == ([], None, 0)
    assert image(shop, session).size == (1_000, 562)


def test_fewer_points_are_asked_for(shop: Sender, session: UUID) -> None:
    points = [(n * n % 701, n * n * n % 499) for n in range(200)]
    shop.send(walk(session, 0, "/", points))
    trails.compute(session)
    all_of_it, some = (shop.get(url(session, query)).json() for query in ("", "?points=20"))
    assert (all_of_it["points"], some["points"]) == (200, 20)
    assert len(some["strokes"][0]["t"]) == 20
    assert some["tolerance_px"] > all_of_it["tolerance_px"]


@pytest.mark.parametrize(
    "query", ["points=1", "points=20001", "points=x", "width=99", "width=", "format=gif"]
)
def test_a_wrong_parameter_is_named(shop: Sender, moved: UUID, query: str) -> None:
    error = shop.get(url(moved, f"?{query}")).json()["error"]
    assert (error["code"], error["field"]) == ("bad_value", query.partition("=")[0])


class TestPicture:
    def test_it_has_the_shape_of_the_viewport(self, shop: Sender, moved: UUID) -> None:
        trails.compute(moved)
        assert image(shop, moved).size == (1_000, 667)
        assert image(shop, moved, "&width=300").size == (300, 200)

    def test_it_shows_the_line_the_gap_and_the_clicks(self, shop: Sender, session: UUID) -> None:
        shop.send(
            walk(session, 0, "/", [(100, 400), (500, 400)]),
            walk(session, 2, "/", [(700, 400), (1_100, 400)]),
            *[
                event(
                    session,
                    category="pointer",
                    name="click",
                    data={"x": 900, "y": 700},
                    timestamp=at(n / 10),
                )
                for n in range(3)
            ],
        )
        trails.compute(session)
        drawn = image(shop, session, "&width=1200")
        white = (255, 255, 255)
        assert [drawn.getpixel((x, 400)) == white for x in (50, 300, 600, 900)] == [True, False] * 2
        pixel: Any = drawn.getpixel((907, 700))
        red, green, _ = pixel
        assert red > 2 * green

    def test_it_is_bounded_however_odd_the_viewport(self, shop: Sender, session: UUID) -> None:
        sent = walk(session, 0, "/", [(1, 1), (900, 900), (-1e6, 1e6), (1e6, -1e6)])
        sent["data"]["viewport"] = {"w": 1, "h": 1_000_000}
        shop.send(sent, clicked(session, 1, "a"))
        trails.compute(session)
        assert image(shop, session, "&width=2000").size == (2_000, 5_000)

    def test_an_accept_header_asks_for_it_too(self, shop: Sender, moved: UUID) -> None:
        trails.compute(moved)
        asked = shop.get(url(moved), Accept="image/png")
        assert asked["Content-Type"] == "image/png"
        assert "Accept" in asked["Vary"]
        overruled = shop.get(url(moved, "?format=json"), Accept="image/png")
        assert overruled["Content-Type"] == "application/json"


def image(shop: Sender, session: UUID, query: str = "") -> Image.Image:
    answer = shop.get(url(session, f"?format=png{query}"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    found = Image.open(BytesIO(answer.content))
    found.load()
    return found


@pytest.mark.parametrize("query", ["", "?format=png", "?points=50"])
def test_nothing_new_is_304(shop: Sender, moved: UUID, query: str) -> None:
    trails.compute(moved)
    etag = shop.get(url(moved, query))["ETag"]
    again = shop.get(url(moved, query), **{"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    shop.send(move(moved, 9, 1, 1))
    assert shop.get(url(moved, query), **{"If-None-Match": etag}).status_code == 200


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting what is kept no longer waits for no report."""
    monkeypatch.setattr(retention, "REPORTS_PATIENCE_SECONDS", 0.0)


class TestWhatIsGone:
    def test_an_erased_session_takes_its_trail_along(self, shop: Sender, moved: UUID) -> None:
        trails.compute(moved)
        erase.erase_session(moved, None, ACTOR)
        assert not SessionTrail.objects.exists()
        assert shop.get(url(moved)).status_code == 404
        with pytest.raises(Session.DoesNotExist):
            trails.compute(moved)

    def test_one_that_may_hold_a_deleted_event_is_neither_shown_nor_kept(
        self, shop: Sender, moved: UUID
    ) -> None:
        builder.build(moved)
        trails.compute(moved)
        erase.delete_event(Event.objects.get(name="path", data__page__path="/cart"), ACTOR)
        assert shop.get(url(moved)).status_code == 202
        builder.build_stale()
        assert not SessionTrail.objects.exists()
        trails.compute(moved)
        assert shop.get(url(moved)).json()["pages"] == ["/"]

    def test_one_in_the_making_is_not_kept_then(
        self, shop: Sender, moved: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compute = trail.compute

        def compute_while_one_is_deleted(events: Any) -> Any:
            found = compute(events)
            elsewhere_in_a_thread(erase.delete_event, Event.objects.first(), ACTOR)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(trail, "compute", compute_while_one_is_deleted)
            assert trails.compute(moved) is None
        assert not SessionTrail.objects.exists()
        assert trails.compute(moved) is not None

    def test_it_goes_with_events_that_are_kept_no_longer(
        self, shop: Sender, session: UUID, no_patience: None
    ) -> None:
        shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
        trails.compute(session)
        keep(shop, 31)
        assert run().events == 1
        assert not SessionTrail.objects.exists()
        assert shop.get(url(session)).status_code == 202
        trails.compute(session)
        assert shop.get(url(session)).json()["samples"] == 2

    def test_one_in_the_making_is_not_kept_with_them(
        self, shop: Sender, session: UUID, no_patience: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.send(stroke(session, 32, 0), stroke(session, 30, 10))
        keep(shop, 31)
        compute = trail.compute

        def compute_while_one_expires(events: Any) -> Any:
            found = compute(events)
            elsewhere_in_a_thread(run)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(trail, "compute", compute_while_one_expires)
            assert trails.compute(session) is None
        assert not SessionTrail.objects.exists()

    def test_one_that_may_hold_a_deleted_event_goes_where_the_report_is_kept(
        self, shop: Sender, session: UUID, no_patience: None
    ) -> None:
        """As other events have expired."""
        shop.send(*(stroke(session, days, 0) for days in (32, 30, 29)))
        builder.build(session)
        keep(shop, 31)
        run()
        trails.compute(session)
        erase.delete_event(Event.objects.order_by("pk")[0], ACTOR)
        assert builder.build(session).kept
        assert not SessionTrail.objects.exists()


def elsewhere_in_a_thread(work: Any, *args: Any) -> None:
    thread = threading.Thread(target=elsewhere, args=(work, *args))
    thread.start()
    thread.join()


def test_one_of_another_version_is_computed_again(shop: Sender, moved: UUID) -> None:
    trails.compute(moved)
    SessionTrail.objects.update(version="0:old", content=b"?")
    assert shop.get(url(moved)).status_code == 202
    trails.compute(moved)
    assert shop.get(url(moved)).json()["samples"] == 6


def test_two_workers_do_not_compute_the_same(shop: Sender, moved: UUID) -> None:
    with transaction.atomic():
        assert locks.try_work(f"trail of {moved}")
        results: list[Any] = []
        elsewhere_in_a_thread(lambda: results.append(trails.compute(moved)))
        assert results == [None]
    assert trails.compute(moved) is not None


def test_while_a_long_session_is_folded_no_other_long_one_has_its_trail_computed(
    shop: Sender, moved: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trails, "LONG_EVENTS", 6)
    with transaction.atomic():
        assert locks.try_long_fold()
        results: list[Any] = []
        elsewhere_in_a_thread(lambda: results.append(trails.compute(moved)))
        assert results == [None]
    assert trails.compute(moved) is not None


def test_of_very_many_samples_it_shows_those_of_the_report(
    shop: Sender, moved: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "PARAMETERS", replace(PARAMETERS, max_samples=4))
    trails.compute(moved)
    answer = shop.get(url(moved)).json()
    assert (answer["samples"], answer["strokes"][-1]["t"]) == (4, [2_000])
    assert len(answer["clicks"]) == 4


def test_however_often_it_is_asked_for_it_is_one_task(shop: Sender, moved: UUID) -> None:
    first, second = (shop.get(url(moved)) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()


def test_one_that_is_current_is_left_as_it_is(shop: Sender, moved: UUID) -> None:
    for _ in range(2):
        result = compute_trail.apply(args=(str(moved),)).get()
        assert result == {"session": str(moved), "revision": Session.objects.get().revision}
    computed = SessionTrail.objects.get().computed_at
    trails.compute(moved)
    assert SessionTrail.objects.get().computed_at == computed


def test_reading_it_takes_few_queries(
    shop: Sender, moved: UUID, django_assert_max_num_queries: Any
) -> None:
    trails.compute(moved)
    shop.get(url(moved))
    with django_assert_max_num_queries(4, connection=connection):
        shop.get(url(moved))


class TestWhoMayRead:
    def test_no_other_application(self, stranger: Sender, moved: UUID) -> None:
        assert stranger.get(url(moved)).status_code == 404
        assert stranger.get(url(uuid4())).status_code == 404

    def test_no_capture_page(self, moved: UUID) -> None:
        headers = {"X-Eye-Session-Token": session_token(moved)}
        assert Client().get(url(moved), headers=headers).status_code == 403

    def test_staff_who_may_see_reports(self, moved: UUID) -> None:
        trails.compute(moved)
        analyst, client = User.objects.create_user("analyst", is_staff=True), Client()
        client.force_login(analyst)
        assert client.get(url(moved)).status_code == 403
        analyst.user_permissions.set(Permission.objects.filter(codename="view_sessionreport"))
        assert client.get(url(moved)).status_code == 200

    def test_a_key_sees_none_that_shows_what_others_sent(
        self, shop: Sender, stranger: Sender, moved: UUID
    ) -> None:
        trails.compute(moved)
        stranger.send(clicked(moved, 4, "a.secret"))
        trails.compute(moved)
        for sender in (shop, stranger):
            refused = sender.get(url(moved))
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
            assert "Other applications" in refused.json()["error"]["message"]
        owner = Client()
        owner.force_login(User.objects.create_superuser("owner"))
        targets = {click["target"] for click in owner.get(url(moved)).json()["clicks"]}
        assert "a.secret" in targets
