"""Every page of the admin: who may open it, and what it costs."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_results.models import TaskResult

from admin_ext import counts
from admin_ext.kit import ReadOnlyAdmin
from reports.models import SessionReport
from tests.admin_ext.cast import Scene
from tests.cast import Sender, event
from tracking.models import Batch, Event, EventError, Receipt, Session

pytestmark = pytest.mark.django_db(transaction=True)

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
LARGE = (Session, SessionReport, Event, EventError, Receipt, Batch, TaskResult)
PAGES = [
    "admin:eye_dashboard_data",
    "admin:eye_tasks",
    "admin:eye_tasks_overview",
    "admin:eye_live",
    "admin:eye_live_data",
    "admin:eye_errors",
    "admin:reports_sessionreport_export",
]
# What a list costs: the visitor's session, the visitor, its rows; and what is said beside it.
QUERIES = {
    "auth.Group": 5,
    "auth.User": 6,  # counts, and a filter's groups
    "django_celery_beat.ClockedSchedule": 5,
    "django_celery_beat.CrontabSchedule": 5,
    "django_celery_beat.IntervalSchedule": 5,
    "django_celery_beat.PeriodicTask": 5,
    "django_celery_beat.SolarSchedule": 5,
    "django_celery_results.GroupResult": 3,
    "django_celery_results.TaskResult": 3,
    "reports.Rebuild": 3,
    "reports.SessionReport": 10,  # sessions, applications, those to filter by, views, lines (3)
    "tracking.ApiKey": 6,  # the applications to filter by
    "tracking.Application": 5,
    "tracking.AuditEntry": 3,
    "tracking.Batch": 3,
    "tracking.Event": 5,  # the applications to filter by, saved views
    "tracking.EventError": 5,  # the applications to filter by, saved views
    "tracking.EventType": 6,  # counts, and the applications to filter by
    "tracking.Receipt": 3,
    "tracking.Session": 9,  # applications, those to filter by, views, lines of speed (3)
    "tracking.SetAsideBatch": 3,
}


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def urls(model: type[Model]) -> list[str]:
    first = model._default_manager.first()
    assert first is not None, f"no {model._meta.label} to look at"
    found = [url(model, "changelist"), url(model, "change", first.pk)]
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    if admin.site._registry[model].has_add_permission(request):
        found.append(url(model, "add"))
    return found


def test_the_owner_opens_every_page(owner: Client, everything: Scene) -> None:
    for address in [address for model in MODELS for address in urls(model)]:
        assert owner.get(address).status_code == 200, address


def test_an_analyst_sees_everything_and_adds_nothing(analyst: Client, everything: Scene) -> None:
    for model in MODELS:
        seen, changed, *added = map(analyst.get, urls(model))
        assert (seen.status_code, changed.status_code) == (200, 200), model
        assert [response.status_code for response in added] == [403] * len(added), model
        assert b"_save" not in changed.content, model


def test_an_outsider_opens_none(outsider: Client, everything: Scene) -> None:
    for address in [address for model in MODELS for address in urls(model)]:
        assert outsider.get(address).status_code == 403, address


def test_whoever_is_not_signed_in_is_sent_to_sign_in(
    client: Client, outsider: Client, everything: Scene
) -> None:
    for address in [address for model in MODELS for address in urls(model)]:
        response = client.get(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith("/admin/login/"), address


@pytest.mark.parametrize("page", PAGES)
def test_pages_without_a_model_ask_for_permission_too(
    page: str, outsider: Client, analyst: Client, client: Client
) -> None:
    assert outsider.get(reverse(page)).status_code == 403
    assert analyst.get(reverse(page)).status_code == 200
    assert client.get(reverse(page)).status_code == 302


def test_what_a_list_costs(owner: Client, everything: Scene) -> None:
    for model in MODELS:
        owner.get(url(model, "changelist"))
        with CaptureQueriesContext(connection) as queries:
            owner.get(url(model, "changelist"))
        asked = [query["sql"][:150] for query in queries]
        assert len(queries) == QUERIES[model._meta.label], (model, asked)


def test_a_list_costs_the_same_for_more_rows(
    owner: Client, everything: Scene, shop: Sender
) -> None:
    for _ in range(12):
        shop.send(event(uuid4()), event(uuid4(), category=""))
    for model in LARGE:
        with CaptureQueriesContext(connection) as queries:
            owner.get(url(model, "changelist"))
        assert len(queries) <= QUERIES[model._meta.label] + 1  # the totals are remembered, or not


def test_to_say_how_many_there_are_costs_two_queries(
    owner: Client, everything: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PostgreSQL expects, and where that is cheap, how many there are."""
    monkeypatch.setattr(ReadOnlyAdmin, "list_per_page", 1)
    for model in LARGE:
        owner.get(url(model, "changelist"))
        with CaptureQueriesContext(connection) as queries:
            owner.get(url(model, "changelist"))
        counted = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert len(counted) <= 1, model
        assert len(queries) <= QUERIES[model._meta.label] + 2, model


def test_a_large_table_is_never_counted(
    owner: Client, everything: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a page is full, and to count would be dear."""
    monkeypatch.setattr(ReadOnlyAdmin, "list_per_page", 1)
    monkeypatch.setattr(counts, "CHEAP_COST", 0)
    with CaptureQueriesContext(connection) as queries:
        for model in LARGE:
            owner.get(url(model, "changelist"), {"_facets": "True"})
    assert "count(*)" not in " ".join(query["sql"] for query in queries).lower()


def test_a_list_does_not_read_what_it_does_not_show(owner: Client, everything: Scene) -> None:
    with CaptureQueriesContext(connection) as queries:
        owner.get(url(Session, "changelist"))
        owner.get(reverse("admin:reports_sessionreport_changelist"))
        owner.get(reverse("admin:tracking_batch_changelist"))
    asked = " ".join(query["sql"] for query in queries)
    for column in ('"state"', '"by_name"', '"tracking_batch"."body",'):
        assert column not in asked


def test_what_the_service_fills_is_read_only(owner: Client, everything: Scene) -> None:
    for model in LARGE:
        first = model._default_manager.first()
        assert first is not None
        for page, args in (("add", []), ("change", [first.pk]), ("delete", [first.pk])):
            assert owner.post(url(model, page, *args), {}).status_code == 403, (model, page)
        assert b"_save" not in owner.get(url(model, "change", first.pk)).content, model
