"""From a group of errors to all of its errors, one by one, and from each of them back."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reports import rollup
from tests.admin_ext.cast import HOSTILE
from tests.admin_ext.test_errors import PAGE, many
from tests.cast import Sender, event
from tests.plans import plan, read_more_than_it_shows
from tests.tracking.test_reprocess import NUMBER, give_schema, sale
from tracking.models import EventError, EventType

__all__ = ["many"]

LIST = reverse("admin:tracking_eventerror_changelist")
ROWS = {"properties": {"rows": {"items": {"properties": {"n": {"type": "number"}}}}}}


def led_to(client: Client, **query: str) -> dict[str, list[EventError]]:
    """The errors that each group leads to, by its field."""
    rollup.roll_up()
    groups = [row for row in client.get(PAGE, query).context["rows"] if not row.group.is_rest]
    return {row.group.field: listed(client, row.list_url) for row in groups}


def listed(client: Client, url: str, **query: Any) -> list[EventError]:
    response = client.get(url, query or None)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def page_of(client: Client, error: EventError) -> str:
    return client.get(reverse("admin:tracking_eventerror_change", args=[error.pk])).content.decode()


def test_a_group_leads_to_all_its_errors_and_to_no_other(
    analyst: Client, shop: Sender, stranger: Sender, session: UUID
) -> None:
    give_schema(NUMBER)
    give_schema(NUMBER, name="refund")
    shop.send(sale(session, "1"), sale(session, "2"), event(session, category=""))
    shop.send(event(session, category="shop", name="refund", data={"price": "1"}))
    stranger.send(sale(session, "1"))
    shops = str(shop.application_id)
    found = led_to(analyst, application=shops, type="shop / sale")
    assert [error.value for error in found["data.price"]] == ['"2"', '"1"']
    assert {error.application_id for error in found["data.price"]} == {shop.application_id}


def test_places_in_an_array_are_found_together(
    analyst: Client, shop: Sender, session: UUID
) -> None:
    give_schema(ROWS)
    shop.send(event(session, category="shop", name="sale", data={"rows": [{"n": "1"}, {"n": ""}]}))
    fields = [error.field for error in led_to(analyst)["data.rows[*].n"]]
    assert sorted(fields) == ["data.rows[0].n", "data.rows[1].n"]
    (one, _) = EventError.objects.all()
    assert "field=data.rows%5B%2A%5D.n" in page_of(analyst, one)


def test_what_named_no_type_is_not_mixed_with_what_did(
    analyst: Client, shop: Sender, session: UUID
) -> None:
    shop.send(event(session, timestamp="never"), event(session, category="", timestamp="never"))
    found = led_to(analyst, type=" / cta click")
    assert [error.category for error in found["timestamp"]] == [""]


def test_errors_are_looked_up_by_what_they_have_in_common(
    analyst: Client, shop: Sender, session: UUID
) -> None:
    shop.send(event(session, category=HOSTILE[0], name=HOSTILE[1], data={}))
    shop.send(event(session, timestamp="never"))
    (empty, never) = EventError.objects.order_by("id")
    for name, value in (
        ("code", empty.code),
        ("field", empty.field),
        ("category", HOSTILE[0]),
        ("name", HOSTILE[1]),
    ):
        assert listed(analyst, LIST, **{name: value}) == [empty], name
        assert listed(analyst, LIST, **{name: "no such"}) == []
        assert listed(analyst, LIST, **{name: "\0"}) == []
    assert listed(analyst, LIST, code="", field="") == [never, empty]
    assert listed(analyst, LIST, field="data(.[*]") == []


def test_an_error_leads_to_its_kind_and_to_its_schema(
    analyst: Client, shop: Sender, session: UUID
) -> None:
    give_schema(NUMBER)
    shop.send(sale(session, "1"), event(uuid4(), category=""))
    (untyped, wrong) = EventError.objects.order_by("code")
    for_all = EventType.objects.get(category="shop")
    change = "admin:tracking_eventtype_change"
    assert reverse(change, args=[for_all.pk]) in page_of(analyst, wrong)
    own = EventType.objects.create(category="shop", name="sale", application_id=shop.application_id)
    assert reverse(change, args=[own.pk]) in page_of(analyst, wrong)
    assert "all errors of this kind" in page_of(analyst, untyped)
    assert "/eventtype/1/" not in page_of(analyst, untyped)


def test_every_single_error_is_narrowed_down_alike(analyst: Client, shop: Sender) -> None:
    query = {"application": str(shop.application_id), "code": "empty", "period": "7d"}
    url = analyst.get(PAGE, query).context["list_url"]
    assert parse_qs(urlsplit(url).query) == {
        "application": [str(shop.application_id)],
        "code": ["empty"],
        "period": ["7d"],
    }


@pytest.mark.usefixtures("many")
def test_the_errors_of_a_kind_are_read_from_an_index(owner: Client, shop: Sender) -> None:
    kind = {"category": "shop", "name": "sale 7", "field": "data.price", "code": "wrong_type"}
    with CaptureQueriesContext(connection) as queries:
        assert listed(owner, LIST, application=shop.application_id, **kind)
    asked = [one["sql"] for one in queries if 'FROM "tracking_eventerror"' in one["sql"]]
    (sql,) = [sql for sql in asked if sql.startswith("SELECT") and "ORDER BY" in sql]
    nodes = plan(sql)
    assert "eventerror_kind" in {node.get("Index Name") for node in nodes}
    assert not [node for node in nodes if read_more_than_it_shows(node)]
