"""GET /heatmap."""

from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from reports.builder import build_stale
from reports.rollup import roll_up
from tests.cast import START, Sender, at
from tests.reports.test_heatmaps import clicked, on_page

DAY = {"from": at(-40_000), "to": at(40_000)}


@pytest.fixture
def moved(shop: Sender, session: UUID) -> Sender:
    shop.send(on_page(session, 0, "/cart"), on_page(session, 10, "/"), clicked(session, 20))
    build_stale()
    roll_up()
    return shop


def ask(client: Any, **query: str) -> Any:
    answer = client.get(f"/api/heatmap?{urlencode(DAY | query)}")
    assert answer.status_code == 200, answer.content
    return answer


def test_it_tells_the_bins_of_a_page(moved: Sender) -> None:
    answer = ask(moved, page="/", kind="click").json()
    assert answer["bins"] == [[10, 7, 1]]
    assert (answer["page"], answer["kind"], answer["columns"]) == ("/", "click", 64)
    assert (answer["total"], answer["max"]) == (1, 1)
    assert answer["from"].endswith(":00:00Z")
    moves = ask(moved, page="/").json()
    assert (moves["total"], moves["bins"][0]) == (20, [0, 5, 3])


def test_without_a_page_it_lists_them(moved: Sender) -> None:
    answer = ask(moved).json()
    assert answer["pages"] == [{"page": "/", "total": 20}, {"page": "/cart", "total": 20}]
    assert ask(moved, kind="click").json()["pages"] == [{"page": "/", "total": 1}]


def test_other_hours_are_not_in_it(moved: Sender) -> None:
    before = START.replace(minute=0, second=0, microsecond=0).isoformat()
    assert ask(moved, page="/", to=before).json()["total"] == 0
    assert ask(moved, **{"from": before}).json()["pages"]


def test_no_event_is_read_for_it(moved: Sender) -> None:
    with CaptureQueriesContext(connection) as queries:
        ask(moved, page="/")
    assert not [one["sql"] for one in queries if "tracking_event" in one["sql"]]


def test_a_picture_shows_where_it_was(moved: Sender) -> None:
    answer = ask(moved, page="/", kind="click", format="png", width="640")
    assert answer["Content-Type"] == "image/png"
    drawn = Image.open(BytesIO(answer.content)).convert("RGBA")
    assert drawn.size == (640, 360)
    pixel: Any = drawn.getpixel((105, 75))
    assert pixel[0] > pixel[2]
    empty: Any = drawn.getpixel((400, 200))
    assert (pixel[3] > 200, empty[3]) == (True, 0)


def test_a_key_sees_its_own_and_staff_name_one(moved: Sender, stranger: Sender) -> None:
    assert ask(stranger).json()["pages"] == []
    client = Client()
    assert client.get("/api/heatmap").status_code == 401
    user = User.objects.create_user("analyst", is_staff=True)
    client.force_login(user)
    assert client.get("/api/heatmap").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_sessionreport"))
    assert client.get("/api/heatmap").json()["error"]["field"] == "application"
    assert len(ask(client, application="shop").json()["pages"]) == 2


@pytest.mark.parametrize("address", ["/api/heatmap", "/api/heatmap/", "/heatmap", "/heatmap/"])
def test_all_four_spellings_answer(shop: Sender, address: str) -> None:
    assert shop.get(address).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=drag", "kind"),
        ("format=gif", "format"),
        ("format=png", "page"),
        ("width=99&page=/", "width"),
        ("width=x", "width"),
        (f"page={'x' * 501}", "page"),
        ("from=yesterday", "from"),
        ("from=2026-01-02&to=2026-01-01", "to"),
        ("application=nobody", "application"),
        ("when=now", "when"),
    ],
)
def test_what_cannot_be_meant_is_refused(shop: Sender, query: str, field: str) -> None:
    answer = shop.get(f"/api/heatmap?{query}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
