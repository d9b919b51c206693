"""What is read of the rollups, beside the same counted from the events and reports."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Thread
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from reports.builder import build_stale
from reports.models import Rollup, SessionReport
from reports.periods import Period
from reports.rollup import roll_up
from reports.rollups import BEGINNING, behind_seconds, latest, series, totals
from reports.sketch import Sketch
from tests.cast import START, Sender, elsewhere, event, path
from tracking.api.auth import session_token
from tracking.models import Event

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"]


def roll() -> None:
    build_stale()
    roll_up()


def sent_at(session: UUID, moment: datetime, **fields: Any) -> Any:
    return event(session, timestamp=moment.isoformat(), **fields)


@pytest.fixture
def busy(shop: Sender) -> Sender:
    """Sessions of minutes up to days, over both changes of the clocks of 2025."""
    random = Random(7)
    events = []
    for change in ("2025-03-09", "2025-03-30", "2025-10-26", "2025-11-02"):
        around = datetime.fromisoformat(change).replace(tzinfo=UTC)
        for _ in range(12):
            session = uuid4()
            start = around + timedelta(minutes=random.uniform(-2_500, 2_500))
            for _ in range(random.randint(1, 6)):
                events.append(sent_at(session, start, data={"n": random.random()}))
                start += timedelta(minutes=random.choice([0.2, 1, 45, 700]))
    shop.send(*events)
    roll()
    return shop


def counted(start: datetime, end: datetime) -> tuple[int, int, int, int]:
    """Events, sessions started, ended and active in a period."""
    reports = SessionReport.objects.all()
    return (
        Event.objects.filter(timestamp__gte=start, timestamp__lt=end).count(),
        reports.filter(started_at__gte=start, started_at__lt=end).count(),
        reports.filter(ended_at__gte=start, ended_at__lt=end).count(),
        reports.filter(started_at__lt=end, ended_at__gte=start).count(),
    )


def told(row: Any) -> tuple[int, int, int, int]:
    return row.events, row.sessions_started, row.sessions_ended, row.active_sessions


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("change", ["2025-03-09", "2025-03-30", "2025-10-26", "2025-11-02"])
def test_days_of_a_zone_hold_what_happened_on_them(busy: Sender, zone: str, change: str) -> None:
    there = ZoneInfo(zone)
    first = datetime.fromisoformat(change).replace(tzinfo=there) - 2 * DAY
    days = series(busy.application_id, first, first + 4 * DAY, "day", there)
    assert [str(day.start.astimezone(there)) for day in days] == [
        str(first + number * DAY) for number in range(4)
    ]
    assert [told(day) for day in days] == [counted(day.start, day.end) for day in days]
    assert sum(day.events for day in days) > 5


@pytest.mark.parametrize("step", ["minute", "hour", "day"])
def test_every_step_adds_up_to_the_whole(busy: Sender, step: str) -> None:
    start = datetime(2025, 10, 25, 22, 17, tzinfo=UTC)
    end = start + timedelta(hours=30, minutes=11)
    whole = totals(None, start, end)
    found = series(None, start, end, step, ZoneInfo("Asia/Kathmandu"))
    assert told(whole) == counted(start, end)
    for name in ("events", "sessions_started", "sessions_ended"):
        assert sum(getattr(row, name) for row in found) == getattr(whole, name)
    assert (found[0].start, found[-1].end) == (start, end)
    assert [told(row) for row in found] == [counted(row.start, row.end) for row in found]


def test_active_sessions_are_those_whose_time_overlaps_the_period(busy: Sender) -> None:
    random = Random(8)
    for _ in range(40):
        start = datetime(2025, 10, 23, tzinfo=UTC) + random.randint(0, 9_000) * MINUTE
        end = start + random.choice([1, 7, 60, 1_000, 5_000]) * MINUTE
        assert told(totals(None, start, end)) == counted(start, end)


def test_a_period_is_rounded_to_whole_minutes(busy: Sender) -> None:
    start = datetime(2025, 10, 25, 10, 0, 30, tzinfo=UTC)
    whole = totals(None, start, start + timedelta(seconds=1))
    assert (whole.start, whole.end) == (
        datetime(2025, 10, 25, 10, tzinfo=UTC),
        datetime(2025, 10, 25, 10, 1, tzinfo=UTC),
    )


def test_speeds_of_a_day_are_right_to_a_hundredth(shop: Sender) -> None:
    """Against all intervals of all sessions at once."""
    random = np.random.default_rng(9)
    midnight = START.replace(hour=0, minute=0, second=0) - DAY
    speeds, weights, events = [], [], []
    for _ in range(40):
        session = uuid4()
        scale = 10 ** random.uniform(-1, 2.5)
        begins = midnight + timedelta(seconds=float(random.uniform(0, 80_000)))
        for part in range(4):
            t = np.cumsum(random.integers(5, 400, 100)).astype(float)
            x, y = random.normal(0, scale, (2, 100)).cumsum(axis=1).round(3)
            moment = begins + timedelta(minutes=part)
            events.append(path(session, 0, t.tolist(), x.tolist(), y.tolist()))
            events[-1]["timestamp"] = moment.isoformat()
            speeds.append(np.hypot(np.diff(x), np.diff(y)) / np.diff(t) * 1000)
            weights.append(np.diff(t))
    shop.send(*events)
    roll()
    day = totals(shop.application_id, midnight, midnight + DAY)
    speed, weight = np.concatenate(speeds), np.concatenate(weights)
    order = np.argsort(speed)
    below = np.cumsum(weight[order]) / weight.sum()
    for percent, found in ((0.5, day.speed_p50), (0.95, day.speed_p95)):
        assert found == pytest.approx(speed[order][np.searchsorted(below, percent)], rel=0.01)
    assert day.distance_px == pytest.approx((speed * weight).sum() / 1000, rel=1e-6)
    assert day.moving_ms == weight.sum()
    assert day.samples == 40 * 4 * 100
    assert day.mean_speed == pytest.approx((speed * weight).sum() / weight.sum(), rel=1e-6)


def test_where_nothing_moved_there_is_no_speed(busy: Sender) -> None:
    start = datetime(2025, 10, 26, tzinfo=UTC)
    day = totals(None, start, start + DAY)
    assert day.events > 0
    assert (day.distance_px, day.moving_ms) == (0, 0)
    assert (day.mean_speed, day.speed_p50, day.speed_p95) == (None, None, None)


def test_the_latest_counts_are_the_totals_and_what_waits_to_be_added(busy: Sender) -> None:
    start = datetime(2025, 10, 25, 22, 17, tzinfo=UTC)
    end = start + timedelta(hours=30)
    periods = [Period(BEGINNING, start), Period(start, end), Period(end, end + MINUTE)]
    busy.send(sent_at(uuid4(), start), sent_at(uuid4(), end - timedelta(seconds=1)))
    build_stale()
    behind = latest(None, periods)
    roll_up()
    assert latest(None, periods) == behind
    known = [totals(None, *period) for period in periods]
    for name in ("stored", "sessions_started", "sessions_ended"):
        assert [getattr(one, name) for one in behind] == [getattr(one, name) for one in known]
    assert behind[1].sessions_started > 2


def test_rollups_are_behind_while_a_change_waits(shop: Sender, session: UUID) -> None:
    assert behind_seconds() == 0
    shop.send(event(session))
    assert behind_seconds() > 0
    roll_up()
    assert behind_seconds() == 0


def test_no_event_is_read_for_it(busy: Sender) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    with CaptureQueriesContext(connection) as queries:
        series(busy.application_id, start, start + 365 * DAY, "day", ZoneInfo("Asia/Kathmandu"))
    assert len(queries) <= 6
    assert not [one["sql"] for one in queries if "tracking_event" in one["sql"]]


def test_many_wide_sketches_do_not_fill_the_memory(shop: Sender) -> None:
    """Hours of a zone that are sixty minutes of UTC each."""
    start, minutes = datetime(2025, 6, 1, tzinfo=UTC), 3_000
    sketch = Sketch((bucket, 1) for bucket in range(2_000)).packed()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reports_rollup (application_id, step, start, events, sessions_started, "
            "sessions_ended, distance_px, moving_us, samples, speeds, sent, stored, duplicate, "
            "rejected, errors) SELECT NULL, 'minute', %s + n * interval '1 minute', "
            "1, 0, 0, 0, 2000, 0, %s, 0, 0, 0, 0, '{}' FROM generate_series(0, %s) AS n",
            [start, sketch, minutes - 1],
        )
    tracemalloc.start()
    try:
        found = series(None, start, start + minutes * MINUTE, "hour", ZoneInfo("Asia/Kolkata"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(row.events for row in found) == minutes
    assert {row.speed_p50 for row in found} == {Sketch.unpacked(sketch).percentile(50)}
    assert peak < 0.75 * minutes * len(sketch)


def test_all_of_an_answer_is_of_one_moment(busy: Sender) -> None:
    start = datetime(2025, 10, 26, tzinfo=UTC)
    before = told(totals(None, start, start + DAY))
    meddled: list[Any] = []

    def meddle(execute: Any, sql: str, *args: Any) -> Any:
        """Somebody erases a lot between the queries."""
        if "string_agg" in sql and not meddled:
            thread = Thread(target=elsewhere, args=(Rollup.objects.all().delete,))
            thread.start()
            thread.join()
            meddled.append(thread)
        return execute(sql, *args)

    with connection.execute_wrapper(meddle):
        assert told(totals(None, start, start + DAY)) == before
    assert meddled
    assert told(totals(None, start, start + DAY)) == (0, 0, 0, 0)


class TestRoute:
    @pytest.fixture
    def analyst(self, shop: Sender) -> Client:
        user = User.objects.create_user("analyst", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_sessionreport"))
        client = Client()
        client.force_login(user)
        return client

    def ask(self, client: Any, **query: str) -> Any:
        answer = client.get(f"/api/rollups?{urlencode(query)}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def test_it_tells_a_period_and_its_buckets(self, busy: Sender) -> None:
        day = {"from": "2025-10-26", "to": "2025-10-27", "zone": "Europe/Berlin"}
        answer = self.ask(busy, **day)
        assert answer["from"] == "2025-10-25T22:00:00Z"
        assert answer["to"] == "2025-10-26T23:00:00Z"
        assert (answer["step"], answer["zone"]) == ("hour", "Europe/Berlin")
        assert answer["application"] == busy.application_id
        assert len(answer["buckets"]) == 25
        assert sum(row["events"] for row in answer["buckets"]) == answer["totals"]["events"] > 0
        assert {"sent", "stored", "duplicate", "rejected", "errors"} <= answer["totals"].keys()

    def test_a_time_with_a_zone_is_that_moment(self, busy: Sender) -> None:
        period = {"from": "2025-10-26T00:00:00Z", "to": "2025-10-26T03:00:00+02:00"}
        answer = self.ask(busy, zone="Asia/Kolkata", **period)
        assert (answer["from"], answer["to"]) == ("2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z")

    def test_without_a_period_it_is_the_last_day(self, shop: Sender, session: UUID) -> None:
        shop.send(event(session))
        roll()
        answer = self.ask(shop)
        assert answer["totals"]["events"] == 1
        assert len(answer["buckets"]) in {24, 25}
        assert abs(datetime.fromisoformat(answer["to"]) - now()) < 2 * MINUTE

    def test_all_four_spellings_answer(self, shop: Sender) -> None:
        for address in ("/api/rollups", "/api/rollups/", "/rollups", "/rollups/"):
            assert shop.get(address).status_code == 200

    def test_a_key_sees_its_own_application(self, busy: Sender, stranger: Sender) -> None:
        year = {"from": "2025-01-01", "to": "2026-01-01", "step": "day"}
        assert self.ask(stranger, **year)["totals"]["events"] == 0
        assert self.ask(busy, application="shop", **year)["totals"]["events"] > 0
        refused = stranger.get("/api/rollups?application=shop")
        unknown = stranger.get("/api/rollups?application=nobody")
        assert (refused.status_code, unknown.status_code) == (400, 400)
        message = refused.json()["error"]["message"]
        assert message.replace("shop", "nobody") == unknown.json()["error"]["message"]

    def test_staff_see_all_or_one(
        self, busy: Sender, stranger: Sender, analyst: Client, session: UUID
    ) -> None:
        both = datetime(2025, 10, 26, 12, tzinfo=UTC)
        busy.send(sent_at(session, both))
        stranger.send(sent_at(session, both, name="other"))
        roll()
        period = {"from": "2025-10-26T12:00", "to": "2025-10-26T12:01"}
        all_of_them = self.ask(analyst, **period)
        assert all_of_them["application"] is None
        assert all_of_them["totals"]["events"] >= 2
        theirs = self.ask(analyst, application="stranger", **period)["totals"]
        assert (theirs["events"], theirs["sessions_started"]) == (1, 1)
        by_id = self.ask(analyst, application=str(stranger.application_id), **period)["totals"]
        assert by_id == theirs

    def test_who_may_not_see_reports_may_not_see_their_sums(self, shop: Sender) -> None:
        client = Client()
        assert client.get("/api/rollups").status_code == 401
        client.force_login(User.objects.create_user("staff", is_staff=True))
        assert client.get("/api/rollups").status_code == 403
        token = {"X-Eye-Session-Token": session_token(uuid4())}
        assert Client().get("/api/rollups", headers=token).status_code == 403

    @pytest.mark.parametrize(
        ("query", "field", "says"),
        [
            ("step=week", "step", "minute, hour or day"),
            ("zone=Mars/Olympus", "zone", "Europe/Berlin"),
            ("zone=../etc/passwd", "zone", "Europe/Berlin"),
            ("from=yesterday", "from", "ISO 8601"),
            ("from=1970-01-01", "from", "from 2000"),
            ("to=9999-12-31T23:59:59", "to", "to 2099"),
            ("from=2026-01-02&to=2026-01-01", "to", "after from"),
            ("from=2026-01-01&to=2026-01-01", "to", "after from"),
            ("from=2020-01-01&to=2026-01-01&step=minute", "step", "longer step"),
            ("from=2025-01-01&to=2025-07-01&zone=Asia/Kolkata", "step", "100,000"),
            ("application=%00", "application", "text"),
            ("application=nobody", "application", "its id"),
            ("when=now", "when", "zone"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_its_name(
        self, shop: Sender, query: str, field: str, says: str
    ) -> None:
        answer = shop.get(f"/api/rollups?{query}")
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["field"] == field
        assert says in error["message"]
