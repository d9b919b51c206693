"""The dashboard's address says which application and period it shows."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils.timezone import now

from admin_ext import dashboard
from tests.admin_ext.cast import Scene
from tests.admin_ext.test_dashboard import DATA, arrived, by_name, data
from tests.cast import Sender


def test_an_application_that_is_not_there_is_not_found(owner: Client, scene: Scene) -> None:
    for text in ("999", "shop", "-1", "9" * 30, "²"):
        assert owner.get("/admin/", {"application": text}).status_code == 404, text
        assert owner.get(DATA, {"application": text}).status_code == 404, text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"period": "soon"}, "There is no period called"),
        ({"from": "yesterday"}, "“from” is no time"),
        ({"from": "2026-01-01", "to": "0001-01-01T00:00+14:00"}, "“to” is no time"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "ends before it begins"),
        ({"from": "1999-01-01"}, "from 2000 to 2099"),
        ({"from": "2026-01-01", "zone": "../UTC"}, "“zone” is no time zone"),
        ({"from": "2026-01-01", "zone": "Nowhere/\0"}, "“zone” is no time zone"),
    ],
)
def test_a_period_that_cannot_be_is_said_to_be_one(
    owner: Client, query: dict[str, str], says: str
) -> None:
    page = owner.get("/admin/", query)
    assert says in page.content.decode()
    assert page.context["scope"].name == "24h"
    answer = owner.get(DATA, query)
    assert answer.status_code == 400
    assert says in answer.json()["problem"]


def test_the_address_of_a_page_says_what_it_shows(owner: Client, shop: Sender) -> None:
    asked: dict[str, Any] = {
        "application": shop.application_id,
        "from": "2026-01-01T10:00Z",
        "to": "2026-01-02T10:00Z",
    }
    page = owner.get("/admin/", asked)
    assert page.context["scope"].query == asked
    shown = owner.get(page.context["data_url"]).json()
    assert (shown["from"], shown["to"]) == (1767261600, 1767348000)
    assert (shown["poll_ms"], shown["live"]) == (60_000, False)
    lively = data(owner, period="1h")
    assert (lively["poll_ms"], lively["live"]) == (2_000, True)


@pytest.mark.parametrize(
    ("typed", "zone", "meant"),
    [
        ("2026-01-01T10:00", "", "2026-01-01T10:00Z"),
        ("2026-01-01T10:00", "Europe/Vienna", "2026-01-01T09:00Z"),
        ("2026-07-01T10:00", "Europe/Vienna", "2026-07-01T08:00Z"),
        ("2026-01-01T10:00", "Asia/Kolkata", "2026-01-01T04:30Z"),
        ("2026-01-01T10:00+02:00", "Asia/Kolkata", "2026-01-01T08:00Z"),
        # Clocks are set back at 03:00, and forward at 02:00.
        ("2026-10-25T02:30", "Europe/Vienna", "2026-10-25T00:30Z"),
        ("2026-03-29T02:30", "Europe/Vienna", "2026-03-29T01:30Z"),
    ],
)
def test_a_time_that_is_typed_is_of_the_zone_beside_it(
    owner: Client, typed: str, zone: str, meant: str
) -> None:
    """Whoever opens the address, wherever they are."""
    owner.cookies["eye_zone"] = "America/New_York"
    page = owner.get("/admin/", {"from": typed, "to": "2026-12-01T00:00Z", "zone": zone})
    assert page.context["scope"].query["from"] == meant
    assert 'name="zone" value="America/New_York"' in page.content.decode()


@pytest.mark.parametrize(
    ("name", "count", "seconds"),
    [("15m", 15, 60), ("1h", 60, 60), ("24h", 97, 900), ("7d", 169, 3_600), ("30d", 121, 21_600)],
)
def test_a_period_is_cut_into_fitting_buckets(
    owner: Client, scene: Scene, name: str, count: int, seconds: int
) -> None:
    shown = data(owner, period=name)
    starts = [bucket["start"] for bucket in shown["buckets"]]
    assert starts == [starts[0] + n * seconds for n in range(len(starts))]
    assert len(starts) in (count, count - 1)
    assert starts[0] % seconds == 0
    assert sum(bucket["stored"] for bucket in shown["buckets"]) == 3
    assert sum(bucket["rejected"] for bucket in shown["buckets"]) == 1
    if name != "15m":  # the pointer moved when the first of all tests began
        assert sum(bucket["distance"] for bucket in shown["buckets"]) == pytest.approx(649, abs=60)
        assert max(bucket["sessions"] for bucket in shown["buckets"]) == 1


@pytest.mark.parametrize(
    ("name", "time"),
    [("15m", "12:14"), ("1h", "12:14"), ("24h", "12:14"), ("7d", "12:59"), ("30d", "11:59")],
)
def test_what_is_remembered_stays_under_its_times_when_a_bucket_begins(
    owner: Client, shop: Sender, name: str, time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.fromisoformat(f"{now():%Y-%m-%d}T{time}:59.5Z")
    arrived(shop, moment.replace(second=0, microsecond=0), stored=3)
    monkeypatch.setattr(dashboard, "now", lambda: moment)
    before = data(owner, period=name)
    monkeypatch.setattr(dashboard, "now", lambda: moment + timedelta(seconds=1))
    after = data(owner, period=name)
    assert [after[part] for part in ("from", "to")] == [before[part] for part in ("from", "to")]
    assert after["buckets"] == before["buckets"]
    assert owner.get("/admin/", {"period": name}).context["data"]["buckets"] == before["buckets"]


@pytest.mark.parametrize(
    ("zone", "query"),
    [
        ("America/New_York", {"from": "2026-10-30", "to": "2026-12-20"}),
        ("America/New_York", {"from": "2026-10-30", "to": "2026-11-05"}),
        ("Asia/Kolkata", {"from": "2026-10-30", "to": "2026-11-05"}),
        ("Pacific/Apia", {"from": "2026-01-05", "to": "2030-01-01"}),
    ],
)
def test_bars_begin_by_the_clocks_of_the_viewer(
    owner: Client, scene: Scene, zone: str, query: dict[str, str]
) -> None:
    """Also in the week in which they are set back."""
    owner.cookies["eye_zone"] = zone
    shown = data(owner, **query, zone=zone)
    size = timedelta(seconds=shown["bucket_seconds"])
    locals_ = [
        datetime.fromtimestamp(bucket["start"], ZoneInfo(zone)) for bucket in shown["buckets"]
    ]
    assert f"{locals_[0]:%H:%M}" == "00:00"
    for moment in locals_:
        assert (moment.replace(tzinfo=None) - datetime(1970, 1, 5)) % size == timedelta(0)


def test_viewers_of_other_zones_have_bars_of_their_own(owner: Client, scene: Scene) -> None:
    for zone in ("Europe/Vienna", "America/New_York", "Asia/Kathmandu"):
        owner.cookies["eye_zone"] = zone
        for period in ("7d", "30d"):
            begin = datetime.fromtimestamp(data(owner, period=period)["from"], ZoneInfo(zone))
            assert begin.minute == 0
            assert period == "7d" or begin.hour % 6 == 0


@pytest.mark.parametrize("query", [{"to": "2099-06-01T00:00Z"}, {"from": "2026-01-01T00:00Z"}])
def test_the_address_of_half_a_period_means_the_same_later(
    owner: Client, scene: Scene, query: dict[str, str]
) -> None:
    page = owner.get("/admin/", query)
    data_url = page.context["data_url"]
    assert ("to=" in data_url) == ("to" in query)
    shown = owner.get(data_url).json()
    assert shown["live"]
    for figure in shown["figures"]:
        assert owner.get(figure["url"]).status_code == 200
        if figure["name"] == "events":
            assert owner.get(figure["url"]).context["cl"].result_list


def test_a_bad_period_leaves_the_application(owner: Client, shop: Sender) -> None:
    page = owner.get(f"/admin/?application={shop.application_id}&from=x")
    assert page.context["scope"].application == shop.application_id


def test_the_whole_time_fits_too(owner: Client, scene: Scene) -> None:
    shown = data(owner, **{"from": "2000-01-02", "to": "2099-12-31"})
    assert 100 < len(shown["buckets"]) <= 402
    assert by_name(shown["figures"])["events"]["value"] == "3"
