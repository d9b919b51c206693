"""POST /sessions/{id}/pointer and POST /sessions: what is taken, and what is not."""

import gzip
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from reports.builder import build
from tests.cast import START, Sender, at, event, move
from tracking import erase
from tracking.audit import Actor
from tracking.digest import digest_until_empty
from tracking.models import Batch, Event, Receipt, Session, SessionApplication

SHOP = "https://shop.example"


def pointer(session: UUID) -> str:
    return f"/api/sessions/{session}/pointer"


def wrong_fields(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.content
    assert not Batch.objects.exists()
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


class TestPoints:
    def test_points_become_pointer_events(self, shop: Sender, session: UUID) -> None:
        points = [{"time": at(0), "x": 1, "y": 2.5}, {"time": at(1), "x": -3}, {"time": at(2)}]
        answer = shop.post(points, pointer(session))
        assert answer.status_code == 202
        assert answer.json()["accepted"] == 3
        digest_until_empty()
        assert Receipt.objects.get(pk=answer.json()["receipt"]).stored == 3
        rows = Event.objects.order_by("id")
        assert [row.data for row in rows] == [
            {"x": 1, "y": 2.5},
            {"x": -3, "y": 0},
            {"x": 0, "y": 0},
        ]
        assert {(row.category, row.name, row.session_id) for row in rows} == {
            ("pointer", "move", session)
        }
        assert rows[0].timestamp == START

    def test_they_are_the_events_that_could_have_been_sent(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.send(move(session, 0, 1, 2))
        answer = shop.post({"points": [{"time": at(0), "x": 1, "y": 2}]}, pointer(session))
        digest_until_empty()
        assert Receipt.objects.get(pk=answer.json()["receipt"]).duplicate == 1

    @pytest.mark.parametrize(
        "time", [START.timestamp() * 1000, int(START.timestamp() * 1000), START.isoformat(" ")]
    )
    def test_a_time_is_text_or_milliseconds(self, shop: Sender, session: UUID, time: Any) -> None:
        shop.post([{"time": time}], pointer(session))
        digest_until_empty()
        assert Event.objects.get().timestamp == START

    def test_microseconds_are_kept(self, shop: Sender, session: UUID) -> None:
        shop.post([{"time": 1767225600123.456}], pointer(session))
        digest_until_empty()
        assert Event.objects.get().timestamp.microsecond == 123_456

    def test_one_wrong_point_refuses_all(self, shop: Sender, session: UUID) -> None:
        points = [
            {"time": at(0)},
            {"x": 1},
            {"time": "2099-01-01", "x": "1", "y": None},
            {"time": True},
            {"time": 1e300},
            {"time": 0},
            {"time": at(0), "x": 1e7},
            7,
            None,
            {"time": "\ud800", "y": {"a": []}},
            {"time": at(0), "x": 10**19},
        ]
        assert wrong_fields(shop.post(points, pointer(session))) == [
            ("[1].time", "missing"),
            ("[2].time", "in_future"),
            ("[2].x", "not_a_coordinate"),
            ("[2].y", "not_a_coordinate"),
            ("[3].time", "not_a_timestamp"),
            ("[4].time", "not_a_timestamp"),
            ("[5].time", "too_old"),
            ("[6].x", "not_a_coordinate"),
            ("[7]", "not_an_object"),
            ("[8]", "not_an_object"),
            ("[9].time", "lone_surrogate"),
            ("[9].time", "not_a_timestamp"),
            ("[9].y", "not_a_coordinate"),
            ("[10].x", "integer_out_of_range"),
        ]

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "empty_body"),
            (b"[]", 400, "empty_body"),
            (b'{"points": []}', 400, "empty_body"),
            (b"{}", 400, "bad_request"),
            (b"5", 400, "bad_request"),
            (b"[", 400, "malformed_json"),
            (b'[{"time": 1e400}]', 400, "malformed_json"),
            (b'[{"x": NaN}]', 400, "malformed_json"),
            (b"\xff", 400, "malformed_json"),
            (b"[" * 40 + b"]" * 40, 400, "too_deep"),
            (b"[" * 100_000, 400, "too_deep"),
            (json.dumps([{"time": 0}] * 1_001).encode(), 413, "too_many_events"),
            (b" " * (6 * 1024 * 1024), 413, "too_large"),
        ],
    )
    def test_other_bodies_are_refused(
        self, shop: Sender, session: UUID, body: bytes, status: int, code: str
    ) -> None:
        answer = shop.post(body, pointer(session))
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert not Batch.objects.exists()

    def test_it_is_sent_as_events_are(
        self, shop: Sender, shop_pages: Sender, session: UUID
    ) -> None:
        body = json.dumps([{"time": at(0)}])
        packed = gzip.compress(body.encode())
        zipped = shop.post(packed, pointer(session), headers={"Content-Encoding": "gzip"})
        beacon = Client().post(f"{pointer(session)}?key={shop_pages.key}", body, "text/plain")
        page = shop_pages.post(body, pointer(session), headers={"Origin": SHOP})
        assert [answer.status_code for answer in (zipped, beacon, page)] == [202, 202, 202]
        assert page["Access-Control-Allow-Origin"] == SHOP

    def test_it_is_refused_as_events_are(
        self, shop: Sender, shop_pages: Sender, session: UUID
    ) -> None:
        body = [{"time": at(0)}]
        nobody = Client().post(pointer(session), json.dumps(body), "application/json")
        elsewhere = shop_pages.post(body, pointer(session), headers={"Origin": "https://evil.com"})
        browser = shop.post(body, pointer(session), headers={"Origin": SHOP})
        xml = shop.post(body, pointer(session), content_type="application/xml")
        answers = (nobody, elsewhere, browser, xml)
        assert [answer.status_code for answer in answers] == [401, 403, 403, 415]
        assert not Batch.objects.exists()

    def test_staff_do_not_send(self, transactional_db: None, session: UUID) -> None:
        client = Client()
        client.force_login(User.objects.create_superuser("owner"))
        for path in (pointer(session), "/api/sessions"):
            answer = client.post(path, "[]", "application/json")
            assert answer.status_code == 403, path


class TestLastSeconds:
    @pytest.fixture
    def moved(self, shop: Sender, session: UUID) -> UUID:
        """A pointer that goes 10 px every 0.1 s, for twenty seconds."""
        points = [{"time": at(n / 10), "x": 10 * n, "y": 0} for n in range(200)]
        shop.post(points, pointer(session))
        digest_until_empty()
        build(session)
        return session

    def test_speed_and_distance(self, shop: Sender, moved: UUID) -> None:
        answer = shop.get(f"{pointer(moved)}?seconds=10").json()
        assert (answer["from"], answer["to"]) == (
            at(10).replace("+00:00", "Z"),
            at(20).replace("+00:00", "Z"),
        )
        assert (answer["distance_px"], answer["samples"]) == (pytest.approx(1_000), 100)
        assert answer["mean_speed"] == pytest.approx(100)
        assert answer["peak_speed"] == pytest.approx(100)
        assert answer["moving_ms"] == pytest.approx(10_000)

    @pytest.mark.parametrize("seconds", [1, 7, 20, 3_600])
    def test_the_numbers_are_the_sums_of_the_seconds(
        self, shop: Sender, moved: UUID, seconds: int
    ) -> None:
        answer = shop.get(f"{pointer(moved)}?seconds={seconds}").json()
        rows = answer["seconds"]
        assert rows == shop.get(pointer(moved)).json()["seconds"][-seconds:]
        for name in ("distance_px", "moving_ms", "samples"):
            assert answer[name] == sum(row[name] for row in rows)
        assert answer["peak_speed"] == max(row["peak_speed"] for row in rows)

    def test_a_pointer_that_rested_went_nowhere(self, shop: Sender, moved: UUID) -> None:
        shop.send(event(moved, timestamp=at(60)))
        build(moved)
        answer = shop.get(f"{pointer(moved)}?seconds=10").json()
        assert (answer["distance_px"], answer["mean_speed"], answer["peak_speed"]) == (
            0,
            None,
            None,
        )
        assert answer["to"] == at(61).replace("+00:00", "Z")

    def test_before_the_first_report_there_is_nothing(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session))
        answer = shop.get(f"{pointer(session)}?seconds=10").json()
        assert (answer["from"], answer["to"], answer["seconds"]) == (None, None, [])

    @pytest.mark.parametrize("query", ["0", "3601", "-1", "1.5", "x", "", "%00", "9" * 99])
    def test_other_numbers_are_refused(self, shop: Sender, moved: UUID, query: str) -> None:
        answer = shop.get(f"{pointer(moved)}?seconds={query}")
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "seconds"


class TestNewSessions:
    @pytest.mark.parametrize("body", [b"", b"{}", b" "])
    def test_it_gives_an_id_and_lists_the_session(self, shop: Sender, body: bytes) -> None:
        answer = shop.post(body, "/api/sessions")
        assert answer.status_code == 201
        id = answer.json()["id"]
        assert [row["id"] for row in shop.get("/api/sessions").json()["results"]] == [id]
        shop.send(event(id))
        assert shop.get(f"/api/sessions/{id}").json()["events"] == 1

    def test_a_form_that_is_empty_will_do(self, shop: Sender) -> None:
        type = "application/x-www-form-urlencoded"
        assert shop.post(b"", "/api/sessions", content_type=type).status_code == 201

    def test_a_session_named_twice_is_one(self, shop: Sender, session: UUID) -> None:
        answers = [shop.post({"id": str(session)}, "/api/sessions") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 200]
        assert [answer.json() for answer in answers] == [{"id": str(session)}] * 2
        assert Session.objects.count() == SessionApplication.objects.count() == 1

    def test_nobody_learns_that_it_is_another_ones(
        self, shop: Sender, stranger: Sender, session: UUID
    ) -> None:
        shop.send(event(session))
        assert stranger.post({"id": str(session)}, "/api/sessions").status_code == 201

    def test_pages_open_sessions_and_do_not_list_them(self, shop_pages: Sender) -> None:
        answer = shop_pages.post(b"", "/api/sessions", headers={"Origin": SHOP})
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (201, SHOP)
        assert shop_pages.get("/api/sessions").status_code == 403

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b'{"id": "x"}', 400),
            (b'{"id": 5}', 400),
            (b'{"id": null}', 400),
            (b"[]", 400),
            (b"{", 400),
            (b'{"id": "' + b"x" * 70_000 + b'"}', 413),
        ],
    )
    def test_other_bodies_are_refused(self, shop: Sender, body: bytes, status: int) -> None:
        assert shop.post(body, "/api/sessions").status_code == status
        assert not Session.objects.exists()

    def test_it_needs_a_key(self, transactional_db: None) -> None:
        assert Client().post("/api/sessions").status_code == 401

    def test_an_erased_session_stays_erased(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session))
        erase.erase_session(session, None, Actor("owner"))
        answer = shop.post({"id": str(session)}, "/api/sessions")
        assert (answer.status_code, answer.json()["error"]["field"]) == (409, "id")
        assert not Session.objects.exists()

    def test_a_preflight_lets_the_shops_pages_post(self, shop_pages: Sender) -> None:
        for path in ("/api/sessions", "/sessions/", pointer(uuid4())):
            headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
            answer = Client().options(path, headers=headers)
            assert answer["Access-Control-Allow-Origin"] == SHOP
            assert "GET" not in answer["Access-Control-Allow-Methods"]
