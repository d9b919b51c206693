"""The page of errors by their kinds: what it shows, and what can be done about a kind."""

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from admin_ext import error_groups
from admin_ext.spans import PERIODS
from reports import rollup
from tests.admin_ext.cast import staff
from tests.cast import Sender, event, sender
from tests.plans import plan
from tests.processes import Process
from tests.tracking.test_reprocess import NUMBER, SOMEBODY, TEXT, again, give_schema, sale
from tests.waiting import until
from tracking import erase
from tracking.error_groups import begin_of
from tracking.models import (
    AuditEntry,
    ErrorCount,
    ErrorGroup,
    ErrorMute,
    EventError,
    EventType,
)

pytestmark = pytest.mark.usefixtures("empty_queue")

PAGE = reverse("admin:eye_errors")
QUERIES = 14  # the visitor and their session, a transaction of one, and nine for the groups
ACTIONS = ("reprocess", "mute", "unmute")


def act(what: str, group: ErrorGroup) -> str:
    return reverse(f"admin:eye_error_{what}", args=[group.pk])


def shown(client: Client, **query: str) -> list[Any]:
    """The groups on the page."""
    rollup.roll_up()
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return [row.group for row in response.context["rows"]]


def text(client: Client, **query: str) -> str:
    rollup.roll_up()
    return " ".join(client.get(PAGE, query).content.decode().split())


def move_back(group: ErrorGroup, age: timedelta) -> None:
    """As if its errors had come so long ago."""
    for count in group.counts.all():
        count.start = begin_of(now() - age, count.step)
        count.save()
    ErrorGroup.objects.filter(pk=group.pk).update(first_at=now() - age, last_at=now() - age)


@pytest.fixture
def groups(shop: Sender, session: UUID) -> list[ErrorGroup]:
    """Two kinds of errors: an empty category, twice, and no time, once."""
    shop.send(event(session, category=""), event(uuid4(), category=""))
    shop.send(event(session, timestamp="never"))
    rollup.roll_up()
    return list(ErrorGroup.objects.order_by("field"))


@pytest.fixture
def mender(transactional_db: None) -> Client:
    return staff("mender", "view_eventerror", "reprocess_eventerror", "view_taskresult")


@pytest.fixture
def muter(transactional_db: None) -> Client:
    return staff("muter", "view_eventerror", "mute_errorgroup")


def test_a_group_tells_what_is_wrong_since_when_and_how_often(
    analyst: Client, groups: list[ErrorGroup]
) -> None:
    page = text(analyst)
    assert "3 errors of 2 kinds" in page
    latest = EventError.objects.get(code="not_a_timestamp")
    assert latest.message in page
    assert "&quot;never&quot;" in page
    assert reverse("admin:tracking_eventerror_change", args=[latest.pk]) in page
    (row, _) = analyst.get(PAGE).context["rows"]
    assert (row.listed.seen, row.open, row.group.first_at) == (1, 1, latest.created_at)
    assert row.spark.values[-1] == row.spark.front[-1] == 1
    assert len(row.spark.values) == 25


def test_the_newest_come_first_or_the_most_frequent(
    analyst: Client, groups: list[ErrorGroup]
) -> None:
    often, newest = groups
    assert shown(analyst) == [newest, often]
    assert shown(analyst, order="frequent") == [often, newest]


def test_of_a_group_that_went_meanwhile_one_is_told(
    owner: Client, groups: list[ErrorGroup]
) -> None:
    first, _ = groups
    ErrorGroup.objects.all().delete()
    posted = {"lasts": "7", "query": "period=7d"}
    for what in ACTIONS:
        answer = owner.post(act(what, first), posted, follow=True)
        assert answer.redirect_chain == [(f"{PAGE}?period=7d", 302)]
        assert "has no errors any more" in answer.content.decode()


@pytest.mark.parametrize(
    ("period", "spans", "bar"),
    [
        ("15m", 16, "a minute"),
        ("1h", 61, "a minute"),
        ("24h", 25, "an hour"),
        ("7d", 29, "six hours"),
        ("30d", 31, "a day"),
    ],
)
def test_a_period_shows_what_came_in_it(
    analyst: Client, groups: list[ErrorGroup], period: str, spans: int, bar: str
) -> None:
    first, second = groups
    length = PERIODS[period][1]
    move_back(first, length + 2 * timedelta(seconds=error_groups.STEPS[period]))
    move_back(second, length * 0.9)
    assert shown(analyst, period=period) == [second]
    page = analyst.get(PAGE, {"period": period})
    assert f"at most 1 in {bar}" in page.content.decode()
    (row,) = page.context["rows"]
    assert len(row.spark.values) in (spans - 1, spans)
    assert sum(row.spark.values) == 1


def minutes(*moments: datetime) -> list[str]:
    return [f"{moment:%Y-%m-%dT%H:%MZ}" for moment in moments]


def test_a_period_of_ones_own_is_counted_as_finely_as_counts_are_kept(
    analyst: Client, groups: list[ErrorGroup]
) -> None:
    first, second = groups
    for ago, bar in (
        (timedelta(hours=1), "a minute"),
        (timedelta(days=1), "an hour"),
        (timedelta(days=5), "six hours"),
        (timedelta(days=20), "a day"),
    ):
        moment = now() - ago
        move_back(second, ago)
        start, end = minutes(moment - timedelta(minutes=20), moment + timedelta(minutes=20))
        query = {"from": start, "to": end}
        assert shown(analyst, **query) == [second], ago
        page = analyst.get(PAGE, query)
        assert f"Each bar is {bar}, counted whole" in page.content.decode()
        (row,) = page.context["rows"]
        assert sum(row.spark.values) == row.listed.seen == 1
        (list_query,) = {urlsplit(page.context["list_url"]).query}
        assert parse_qs(list_query) == {"from": [start], "to": [end]}
    assert shown(analyst, **{"from": minutes(now() - timedelta(hours=3))[0]}) == [first]


def test_a_period_that_cannot_be_is_told_and_the_usual_one_shown(
    analyst: Client, groups: list[ErrorGroup]
) -> None:
    moment = now()
    old, soon, later = minutes(*(moment + timedelta(minutes=n) for n in (-33 * 1_440, 2, 9)))
    for query, says in (
        ({"from": old}, "counted by their kinds for 32 days"),
        ({"to": soon}, "counted by their kinds for 32 days"),
        ({"from": soon, "to": later}, "has not begun yet"),
        ({"from": soon, "to": old}, "ends before it begins"),
        ({"from": "yesterday", "period": "7d"}, "“from” is no time"),
    ):
        assert len(shown(analyst, **query)) == 2
        page = analyst.get(PAGE, query)
        assert says in page.content.decode(), query
        assert page.context["asked"].name == query.get("period", "24h")


def test_it_is_narrowed_down_by_application_code_and_type(
    analyst: Client, groups: list[ErrorGroup], stranger: Sender
) -> None:
    stranger.send(event(uuid4(), category="a / b", name="c / d", data={}))
    (theirs,) = shown(analyst, application=str(stranger.application_id))
    assert theirs.category == "a / b"
    assert shown(analyst, type="a / b / c / d") == [theirs]
    assert shown(analyst, type="page interaction / cta click") == groups[1:]
    assert shown(analyst, code="empty", order="frequent") == [groups[0], theirs]
    assert shown(analyst, code="em\0pty", type="\0 / ") == []
    for odd in ({"application": "9" * 40}, {"page": "-1"}, {"period": "x"}, {"order": "y"}):
        assert len(shown(analyst, **odd)) == 3
    assert "Nothing was wrong" in text(analyst, code="no such")


def test_what_is_resolved_is_shown_to_who_asks(
    analyst: Client, shop: Sender, session: UUID, groups: list[ErrorGroup]
) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"), sale(session, "2"))
    give_schema(TEXT)
    again(code="wrong_type")
    assert shown(analyst, order="frequent") == groups
    assert "Not shown: 1 resolved" in text(analyst)
    rows = analyst.get(PAGE, {"resolved": "shown"}).context["rows"]
    (resolved,) = [row.listed for row in rows if row.group not in groups]
    assert (resolved.seen, resolved.settled) == (2, 2)
    assert "Nothing is left to do here" in text(analyst, code="wrong_type")


def test_a_muted_group_is_hidden_until_its_time_is_over(
    muter: Client, analyst: Client, groups: list[ErrorGroup]
) -> None:
    first, second = groups
    posted = {"lasts": "7", "why": "<i>known</i>", "query": "period=7d&page=1"}
    answer = muter.post(act("mute", first), posted)
    assert answer["Location"] == f"{PAGE}?period=7d&page=1"
    assert "Muted until" in muter.get(answer["Location"]).content.decode()
    assert shown(analyst) == [second]
    assert "Not shown: 1 muted" in text(analyst)
    page = text(analyst, muted="shown")
    assert "by <bdi>muter</bdi>: <bdi>&lt;i&gt;known&lt;/i&gt;</bdi>" in page
    made = ErrorMute.objects.get()
    assert made.until
    assert made.until - made.at == timedelta(days=7)
    ErrorMute.objects.update(until=now() - timedelta(seconds=1))
    assert shown(analyst) == [second, first]
    (entry,) = AuditEntry.objects.all()
    assert entry.action == "errors.muted"
    assert (entry.details["field"], entry.details["code"]) == (first.field, first.code)


def test_a_muted_group_is_counted_and_comes_back_when_unmuted(
    muter: Client, analyst: Client, shop: Sender, groups: list[ErrorGroup]
) -> None:
    first, _ = groups
    muter.post(act("mute", first), {"lasts": "ever"})
    shop.send(event(uuid4(), category=""))
    assert first not in shown(analyst)
    assert muter.post(act("unmute", first)).status_code == 302
    assert first in shown(analyst)
    (count,) = first.counts.filter(step=ErrorCount.Step.DAY)
    assert count.errors == 3
    assert AuditEntry.objects.filter(action="errors.unmuted", actor="muter").count() == 1


@pytest.mark.parametrize("wrong", [{}, {"lasts": "2"}, {"lasts": "1", "why": "x" * 201}])
def test_to_mute_asks_for_how_long(
    muter: Client, groups: list[ErrorGroup], wrong: dict[str, str]
) -> None:
    answer = muter.post(act("mute", groups[0]), wrong, follow=True)
    assert "Say for how long" in answer.content.decode()
    assert not ErrorMute.objects.exists()


def test_after_an_action_one_is_on_this_page_whatever_is_posted(
    muter: Client, groups: list[ErrorGroup]
) -> None:
    for query in ("//evil.example", "\r\nX: y", "%zz", "a" * 10_000):
        answer = muter.post(act("unmute", groups[0]), {"query": query})
        assert answer["Location"].split("?")[0] == PAGE


def test_who_may_not_see_errors_sees_none_here(
    outsider: Client, client: Client, groups: list[ErrorGroup]
) -> None:
    assert outsider.get(PAGE).status_code == 403
    assert client.get(PAGE).status_code == 302
    for what in ACTIONS:
        assert outsider.post(act(what, groups[0]), {"lasts": "1"}).status_code == 403
        assert client.post(act(what, groups[0]), {"lasts": "1"})["Location"].startswith(
            "/admin/login/"
        )


def test_who_may_only_look_has_no_buttons_and_no_actions(
    analyst: Client, groups: list[ErrorGroup]
) -> None:
    assert "data-open" not in text(analyst)
    blind = staff("blind", "mute_errorgroup", "reprocess_eventerror")
    for what in ACTIONS:
        for who in (analyst, blind):
            assert who.post(act(what, groups[0]), {"lasts": "1"}).status_code == 403
    assert not AuditEntry.objects.exists()


def test_to_look_at_an_action_does_nothing(owner: Client, groups: list[ErrorGroup]) -> None:
    for what in ACTIONS:
        assert owner.get(act(what, groups[0])).status_code == 405
        assert owner.head(act(what, groups[0])).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    assert strict.post(act("mute", groups[0]), {"lasts": "1"}).status_code == 403
    assert not AuditEntry.objects.exists()


def test_the_dialog_tells_how_many_are_reprocessed_and_a_page_follows_it(
    mender: Client, groups: list[ErrorGroup]
) -> None:
    page = text(mender)
    assert f'data-open="reprocess" data-url="{act("reprocess", groups[0])}" data-count="2"' in page
    answer = mender.post(act("reprocess", groups[0]))
    assert b"no worker has taken it yet" in mender.get(answer["Location"]).content


def test_the_rest_is_not_reprocessed_as_if_it_were_one_kind(
    owner: Client, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking.error_groups.MOST_GROUPS", 1)
    shop.send(event(session, category=""), event(session, timestamp="never"))
    assert "Everything else" in text(owner)
    (rest,) = [group for group in ErrorGroup.objects.all() if group.is_rest]
    assert act("reprocess", rest) not in text(owner)
    answer = owner.post(act("reprocess", rest), follow=True)
    assert "select some in their list" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == PAGE


def test_a_group_leads_to_its_schema_or_to_a_new_one(
    owner: Client, analyst: Client, shop: Sender, session: UUID
) -> None:
    shop.send(event(session, category="a & b", name="c", data={}))
    page = text(owner)
    address = re.search(r'href="(/admin/tracking/eventtype/add/[^"]+)"', page)
    assert address
    form = owner.get(address[1].replace("&amp;", "&")).content.decode()
    assert 'value="a &amp; b"' in form
    assert f'<option value="{shop.application_id}" selected>' in form
    assert "eventtype/add" not in text(analyst)
    for_all = EventType.objects.create(category="a & b", name="c")
    change = "admin:tracking_eventtype_change"
    assert reverse(change, args=[for_all.pk]) in text(analyst)
    own = EventType.objects.create(category="a & b", name="c", application_id=shop.application_id)
    assert reverse(change, args=[own.pk]) in text(analyst)
    assert "Schema" not in text(staff("other", "view_eventerror"))


def test_an_example_that_was_deleted_is_not_linked(
    owner: Client, shop: Sender, session: UUID
) -> None:
    shop.send(event(uuid4(), category=""))
    shop.send(event(session, category=""))
    assert shown(owner)
    erase.erase_session(session, None, SOMEBODY)
    assert "its latest error is deleted" in text(owner)


def test_more_groups_than_a_page_has_are_on_the_next(
    owner: Client, shop: Sender, session: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_groups, "PER_PAGE", 2)
    shop.send(*(event(session, name=name, data={}) for name in "abcde"))
    names = [group.name for n in "123" for group in shown(owner, page=n, period="7d")]
    assert sorted(names) == [*"abcde"]
    assert 'rel="next" href="?page=3&amp;period=7d"' in text(owner, page="2", period="7d")
    assert "There is no such page any more" in text(owner, page="4")


FILL = """
INSERT INTO tracking_eventerror (application_id, receipt_id, position, category, name, field, code,
                                 message, value, event_id, created_at)
SELECT %(application)s, lpad(to_hex(n), 32, '0')::uuid, 0, 'shop', 'sale ' || n %% 100, 'data.price',
       'wrong_type', 'This must be a number.', '', lpad(to_hex(n), 32, '0')::uuid,
       now() - n * interval '1 min'
  FROM generate_series(0, 19999) AS n;
INSERT INTO tracking_errorchange (application_id, category, name, field, code, minute, errors,
                                  resolved, first_at, last_at, example_id)
SELECT application_id, category, name, field, code, date_trunc('hour', created_at), count(*), 0,
       min(created_at), max(created_at), max(id)
  FROM tracking_eventerror GROUP BY 1, 2, 3, 4, 5, 6;
"""


@pytest.fixture
def many(shop: Sender) -> None:
    """Two weeks with an error a minute, of a hundred kinds."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"application": shop.application_id})
    rollup.roll_up()
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE tracking_eventerror, tracking_errorgroup, tracking_errorcount"
        )


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("query", [{}, {"period": "30d", "order": "frequent"}, {"code": "x"}])
def test_it_reads_no_more_errors_than_it_shows(owner: Client, query: dict[str, str]) -> None:
    with CaptureQueriesContext(connection) as queries:
        page = owner.get(PAGE, query)
    assert len(page.context["rows"]) == (0 if "code" in query else 25)
    asked = [one["sql"] for one in queries if "tracking_error" in one["sql"]]
    asked += [one["sql"] for one in queries if "tracking_eventerror" in one["sql"]]
    assert asked
    for sql in asked:
        for node in plan(sql):
            rows = node["Actual Rows"] * node["Actual Loops"]
            if node.get("Relation Name") == "tracking_eventerror":
                assert (node["Node Type"], rows <= 25) == ("Index Scan", True), sql
            if node.get("Relation Name") == "tracking_errorcount":
                assert node["Node Type"].startswith("Index"), sql


def test_it_costs_the_same_for_more_groups(
    owner: Client, shop: Sender, groups: list[ErrorGroup]
) -> None:
    shown(owner)
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            owner.get(PAGE)
        assert len(queries) == QUERIES, [query["sql"][:120] for query in queries]
        shop.send(*(event(uuid4(), name=name, data={}) for name in "abcdefgh"))
        muted = shown(owner)[0]
        owner.post(act("mute", muted), {"lasts": "1"})
        shown(owner)


def test_hostile_text_is_shown_as_text(owner: Client, session: UUID) -> None:
    evil = sender("<script>alert(0)</script>")
    evil.send(event(session, category="<script>alert(1)</script>", name="\u202egnp", data={}))
    page = text(owner)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\\u202egnp" in page
    assert ErrorCount.objects.exists()


@pytest.mark.flow
def test_a_worker_reprocesses_a_group_and_it_is_resolved(
    shop: Sender, session: UUID, owner: Client, worker: Process
) -> None:
    give_schema(NUMBER)
    # The worker believes what it knew for some seconds.
    until(lambda: shop.send(sale(session, "12.50", id=str(uuid4()))).rejected)
    until(lambda: ErrorGroup.objects.filter(code="wrong_type").exists())
    give_schema(TEXT)
    group = ErrorGroup.objects.get(code="wrong_type")
    answer = owner.post(act("reprocess", group))
    until(TaskResult.objects.filter(task_name="tracking.reprocess", status="SUCCESS").exists)
    assert b"1 of 1 finished" in owner.get(answer["Location"]).content
    until(lambda: ErrorGroup.objects.get(pk=group.pk).resolved == group.errors)
    assert shown(owner) == []
    entry = AuditEntry.objects.get(action="errors.reprocessed")
    assert entry.details["filters"]["field"] == "data.price"
