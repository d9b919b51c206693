"""An application's page: for how long its events are kept."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.cast import Sender, event
from tracking.models import Application, Event

LIST = reverse("admin:tracking_application_changelist")
LIMITS = {"secret_events_per_minute": 5, "publishable_events_per_minute": 6}


def save(client: Client, shop: Sender, days: object, **more: Any) -> Any:
    address = reverse("admin:tracking_application_change", args=[shop.application_id])
    return client.post(address, {"name": "shop", **LIMITS, "retention_days": days, **more})


def kept(shop: Sender) -> int | None:
    return Application.objects.get(pk=shop.application_id).retention_days


def errors(page: Any) -> Any:
    return page.context["adminform"].form.errors


def test_to_keep_events_for_fewer_days_is_asked_about(owner: Client, shop: Sender) -> None:
    page = save(owner, shop, 30)
    assert "older than 30 days will be deleted for good" in errors(page)["delete_older"][0]
    assert kept(shop) is None
    assert save(owner, shop, 30, delete_older="on").status_code == 302
    assert kept(shop) == 30
    assert "delete_older" in errors(save(owner, shop, 29))
    assert kept(shop) == 30


@pytest.mark.parametrize("days", [30, 31, ""], ids=["as before", "longer", "for ever"])
def test_to_keep_them_no_shorter_needs_no_asking(owner: Client, shop: Sender, days: object) -> None:
    Application.objects.filter(pk=shop.application_id).update(retention_days=30)
    assert save(owner, shop, days).status_code == 302
    assert kept(shop) == (days or None)


@pytest.mark.parametrize("days", [0, -1, 10_001, "a month"])
def test_other_numbers_of_days_are_refused(owner: Client, shop: Sender, days: object) -> None:
    assert "retention_days" in errors(save(owner, shop, days, delete_older="on"))
    assert kept(shop) is None


def test_a_new_application_has_nothing_to_ask_about(owner: Client) -> None:
    address = reverse("admin:tracking_application_add")
    assert "delete_older" not in owner.get(address).content.decode()
    assert owner.post(address, {"name": "new", **LIMITS, "retention_days": 7}).status_code == 302
    assert Application.objects.get(name="new").retention_days == 7


def test_the_history_says_who_changed_it(owner: Client, shop: Sender) -> None:
    save(owner, shop, 30, delete_older="on")
    assert "Keep events for (days)" in LogEntry.objects.get().get_change_message()


def test_saving_deletes_nothing_by_itself(owner: Client, shop: Sender, session: UUID) -> None:
    shop.send(event(session, timestamp="2021-01-01T00:00:00Z"))
    save(owner, shop, 30, delete_older="on")
    assert Event.objects.exists()


def test_the_list_says_how_long_events_are_kept(owner: Client, shop: Sender) -> None:
    assert "for ever" in owner.get(LIST).content.decode()
    Application.objects.filter(pk=shop.application_id).update(retention_days=1)
    assert "1 day<" in owner.get(LIST).content.decode()


def test_who_may_only_see_is_not_asked(analyst: Client, shop: Sender) -> None:
    address = reverse("admin:tracking_application_change", args=[shop.application_id])
    page = analyst.get(address)
    assert page.status_code == 200
    assert "delete_older" not in page.content.decode()
    assert save(analyst, shop, 30, delete_older="on").status_code == 403
