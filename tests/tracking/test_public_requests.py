"""Requests as other services of this kind take them, with a key: each is right here as well."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from reports.builder import build_stale
from tests.cast import Sender
from tracking.api.readers import document
from tracking.digest import digest_until_empty
from tracking.models import Event, EventError, Session

SESSION = "e2085be5-9137-4e4e-80b5-f1ffddc25423"
CLICK: dict[str, Any] = {
    "session_id": SESSION,
    "category": "page interaction",
    "name": "cta click",
    "data": {"host": "www.consumeraffairs.com", "path": "/", "element": "chat bubble"},
    "timestamp": "2021-01-01 09:15:27.243860",
}
SUBMIT: dict[str, Any] = {
    "session_id": SESSION,
    "category": "form interaction",
    "name": "submit",
    "data": {
        "host": "www.consumeraffairs.com",
        "path": "/",
        "form": {"first_name": "John", "last_name": "Doe"},
    },
    "timestamp": "2021-01-01 09:15:27.243860",
}
VIEW: dict[str, Any] = {
    "session_id": SESSION,
    "category": "page interaction",
    "name": "pageview",
    "data": {"host": "www.consumeraffairs.com", "path": "/"},
    "timestamp": "2021-06-01T00:00:00Z",
}
IN_SESSION = {"session": {"id": SESSION}} | {
    field: value for field, value in CLICK.items() if field != "session_id"
}
WRONG = CLICK | {"category": "", "timestamp": "2021-13-01"}


@dataclass(frozen=True)
class Asked:
    """A request, its status, and how many rows its answer holds, where it is a list."""

    method: str
    path: str
    body: Any = None
    status: int = 200
    rows: int | None = None
    scheme: str = "Bearer"


SENT = [
    Asked("POST", "/api/events", CLICK, 202),
    Asked("POST", "/api/events/", CLICK, 202),
    Asked("POST", "/events", CLICK, 202),
    Asked("POST", "/events/", CLICK, 202),
    Asked("POST", "/events/", CLICK, 202, scheme="Token"),
    Asked("POST", "/events/", [CLICK, SUBMIT, VIEW], 202),
    Asked("POST", "/events/", CLICK | {"timestamp": "2021-01-01T09:15:27.243860Z"}, 202),
    Asked("POST", "/events/", CLICK | {"timestamp": "2021-01-01T09:15:27.243860"}, 202),
    Asked("POST", "/events/", CLICK | {"timestamp": "2021-01-01 09:15:27.243860+00:00"}, 202),
    Asked("POST", "/events/", IN_SESSION, 202),
    Asked("POST", "/sessions/", None, 201),
    Asked("POST", "/sessions/", {}, 201),
    Asked("POST", "/api/sessions/", {"id": SESSION}, 201),
    Asked("POST", f"/sessions/{SESSION}/pointer/", [{"time": "2021-01-01T09:15:27Z"}], 202),
    Asked(
        "POST",
        f"/api/sessions/{SESSION}/pointer",
        [{"time": "2021-01-01 09:15:27", "x": 3, "y": 4}, {"time": 1609492527500}],
        202,
    ),
]

# After the click, the form, the page view and a wrong event were stored.
READ = [
    Asked("GET", "/events/", rows=3),
    Asked("GET", "/api/events", rows=3, scheme="Token"),
    Asked("GET", f"/events/?session_id={SESSION}", rows=3),
    Asked("GET", f"/events/?session={SESSION}", rows=3),
    Asked("GET", f"/events/?session__id={SESSION}", rows=3),
    Asked("GET", f"/events/?session_id={UUID(int=1)}", rows=0),
    Asked("GET", "/events/?category=page%20interaction", rows=2),
    Asked("GET", "/events/?category=page+interaction", rows=2),
    Asked("GET", "/events/?category=page interaction&name=cta click", rows=1),
    Asked("GET", "/events/?category__icontains=PAGE", rows=2),
    Asked("GET", "/events/?category__icontains=interaction", rows=3),
    Asked("GET", "/events/?name=submit", rows=1),
    Asked("GET", "/events/?name__icontains=cta", rows=1),
    Asked("GET", "/events/?timestamp_before=2021-05-20", rows=2),
    Asked("GET", "/events/?timestamp_after=2021-05-20", rows=1),
    Asked("GET", "/events/?timestamp__gte=2021-01-01&timestamp__lte=2021-02-01", rows=2),
    Asked("GET", "/events/?timestamp__lte=2021-01-01 09:15:27.243860", rows=2),
    Asked("GET", "/events/?timestamp_gte=2021-01-01T09:15:27.243861Z", rows=1),
    Asked("GET", "/events/?created_at_after=2021-05-20", rows=3),
    Asked("GET", "/events/?created_at_before=2021-05-20", rows=0),
    Asked("GET", "/events/?ordering=-timestamp", rows=3),
    Asked("GET", "/events/{event}/"),
    Asked("GET", "/api/events/{event}"),
    Asked("GET", f"/events/{UUID(int=1)}/", status=404),
    Asked("GET", "/sessions/", rows=1),
    Asked("GET", "/sessions/?created_at_after=2021-05-20", rows=1),
    Asked("GET", f"/sessions/{SESSION}/"),
    Asked("GET", f"/sessions/{SESSION}/events/", rows=3),
    Asked("GET", f"/sessions/{SESSION}/pointer/?seconds=10"),
    Asked("GET", "/errors/", rows=2),
    Asked("GET", "/errors/?created_at_after=2021-05-20", rows=2),
    Asked("GET", "/errors/?created_at_before=2021-05-20", rows=0),
    Asked("GET", f"/errors/?session_id={SESSION}", rows=2),
    Asked("GET", "/errors/{error}/"),
    Asked("GET", "/reports/", rows=1),
]

# Before each of these, the same was stored.
CHANGED = [
    Asked("PUT", "/events/{event}/", CLICK | {"name": "other"}),
    Asked("PUT", "/api/events/{event}", IN_SESSION | {"category": "other"}),
    Asked("PUT", "/api/events/{event}", {"category": "a", "name": "b", "data": {"c": 1}}),
    Asked("PUT", "/events/{event}/", {"name": "other"}, 400),
    Asked("PATCH", "/events/{event}/", {"name": "other"}),
    Asked("PATCH", "/api/events/{event}", {"data": {"host": "www.consumeraffairs.com"}}),
    Asked("PATCH", "/events/{event}/", {"timestamp": "2022-01-01"}, 400),
    Asked("DELETE", "/events/{event}/", status=204),
    Asked("DELETE", "/api/events/{event}", status=204),
    Asked("DELETE", f"/events/{UUID(int=1)}/", status=404),
    Asked("DELETE", f"/sessions/{SESSION}/", status=204),
]
DOCUMENTS = [
    "/swagger",
    "/redoc",
    "/docs/",
    "/api/docs",
    "/api/redoc",
    "/api/schema/swagger-ui",
    "/api/schema/redoc",
]


def ask(shop: Sender, asked: Asked) -> Any:
    event, error = Event.objects.order_by("id").first(), EventError.objects.first()
    path = asked.path.format(event=event and event.pk, error=error and error.pk)
    body = b"" if asked.body is None else json.dumps(asked.body).encode()
    headers = {"Authorization": f"{asked.scheme} {shop.key}"}
    return Client().generic(asked.method, path, body, "application/json", headers=headers)


@pytest.fixture
def stored(shop: Sender) -> Sender:
    shop.send(CLICK, SUBMIT, VIEW, WRONG)
    build_stale()
    return shop


@pytest.mark.parametrize("asked", SENT, ids=str)
def test_what_is_sent_is_taken(shop: Sender, asked: Asked) -> None:
    assert ask(shop, asked).status_code == asked.status
    digest_until_empty()
    assert not EventError.objects.exists()
    if "sessions" not in asked.path:
        assert str(Event.objects.order_by("id")[0].timestamp) == "2021-01-01 09:15:27.243860+00:00"
    assert Session.objects.exists()


@pytest.mark.parametrize("asked", READ, ids=str)
def test_what_is_asked_is_answered(stored: Sender, asked: Asked) -> None:
    answer = ask(stored, asked)
    assert answer.status_code == asked.status, answer.content
    if asked.rows is not None:
        assert len(answer.json()["results"]) == asked.rows


@pytest.mark.parametrize("asked", CHANGED, ids=str)
def test_what_is_changed_is_changed(stored: Sender, asked: Asked) -> None:
    assert ask(stored, asked).status_code == asked.status


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_api_is_shown(path: str) -> None:
    page = Client().get(path)
    assert page.status_code == 200
    assert "/api/schema" in page.content.decode()


@pytest.mark.parametrize("path", ["/api/schema/", "/schema"])
def test_the_api_is_described(path: str) -> None:
    described = Client().get(path).json()
    assert described["openapi"] == "3.1.0"
    assert "/api/events" in described["paths"]


def examples() -> list[Any]:
    body = document()["paths"]["/api/events"]["post"]["requestBody"]["content"]
    return [example["value"] for example in body["application/json"]["examples"].values()]


@pytest.mark.parametrize("place", range(2))
def test_its_examples_work_when_pasted(shop: Sender, place: int) -> None:
    sent = examples()[place]
    receipt = shop.send(*(sent if isinstance(sent, list) else [sent]))
    assert receipt.stored == receipt.events > 0


def test_an_id_made_here_is_one_to_send_with(shop: Sender) -> None:
    id = ask(shop, Asked("POST", "/sessions/")).json()["id"]
    shop.send(CLICK | {"session_id": id})
    rows = ask(shop, Asked("GET", f"/events/?session_id={id}")).json()["results"]
    assert [row["session_id"] for row in rows] == [id]


def test_points_sent_are_velocity_and_distance(shop: Sender) -> None:
    """Three points on a line, half a second apart: 10 px on the first half, 30 on the second."""
    start = 1609492527000
    points = [{"time": start + ms, "x": x, "y": 0} for ms, x in ((0, 0), (500, 10), (999, 40))]
    ask(shop, Asked("POST", f"/sessions/{SESSION}/pointer", points))
    digest_until_empty()
    build_stale()
    answer = ask(shop, Asked("GET", f"/sessions/{SESSION}/pointer?seconds=10")).json()
    assert (answer["from"], answer["to"]) == ("2021-01-01T09:15:18Z", "2021-01-01T09:15:28Z")
    assert (answer["distance_px"], answer["samples"]) == (40, 3)
    assert answer["peak_speed"] == pytest.approx(30 / 0.499)
