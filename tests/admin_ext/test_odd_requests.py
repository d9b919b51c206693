"""Addresses that somebody made up or mistyped: no page of the admin breaks down over one."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from tests.admin_ext.people import SUPERUSER, clients, quiet
from tests.admin_ext.walk import MODELS, PLACE, admin_addresses, ask

__all__ = ["clients", "quiet"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("everything", "empty_queue"),
]

IDS = (
    "0",
    "nonsense",
    "9" * 30,
    "9" * 5_000,
    str(UUID(int=5)),
    "%00",
    "_00",
    "_FF",
    "%E2%80%AE",
    "-1",
    "a" * 500,
)
VALUES = ("%00", "x", "9" * 30)
# What Django, Unfold and the export read from addresses of lists and pages.
NAMES = (
    "p",
    "q",
    "o",
    "e",
    "all",
    "_facets",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "s",
    "page",
    "term",
    "app_label",
    "next",
    "period",
    "columns",
    "from",
    "to",
    "zone",
    "tasks",
)


@pytest.fixture
def owner(clients: dict[str, Client]) -> Client:
    return clients[SUPERUSER]


def filters(owner: Client, model: str) -> set[str]:
    """The parameters of a list's filters, and lookups nobody offers."""
    shown = ask(owner, "GET", reverse(f"admin:{model}_changelist")).context["cl"]
    offered = {name for one in shown.filter_specs for name in one.expected_parameters()}
    return {*offered, "pk", "id__in", "id__isnull", "nonsense__gte"}


def broken(responses: list[tuple[str, Any]]) -> list[str]:
    return [asked for asked, response in responses if response.status_code >= 500]


def test_no_list_breaks_over_what_is_asked_of_it(owner: Client) -> None:
    asked = [
        (path, ask(owner, "GET", path))
        for model in MODELS
        for name in filters(owner, model)
        for value in ("%00", "x")
        for path in [f"{reverse(f'admin:{model}_changelist')}?{name}={value}"]
    ]
    assert not broken(asked), "\n".join(broken(asked))


def test_no_page_breaks_over_what_is_asked_of_it(owner: Client) -> None:
    asked = [
        (path, ask(owner, "GET", path))
        for address in admin_addresses()
        for value in ("x", "9" * 30)
        for path in [joined(address.path, "&".join(f"{name}={value}" for name in NAMES))]
    ]
    assert not broken(asked), "\n".join(broken(asked))


@pytest.mark.parametrize("page", ["search", "autocomplete"])
def test_a_search_does_not_break_over_its_page(owner: Client, page: str) -> None:
    (address,) = [one for one in admin_addresses() if one.name == page]
    for value in VALUES:
        assert ask(owner, "GET", f"{address.path}&page={value}").status_code < 500, value


def test_no_page_breaks_over_an_id_that_is_none(owner: Client) -> None:
    asked = [
        (f"{method} {path}", ask(owner, method, path))
        for address in admin_addresses()
        if "object_id" in address.pattern or "<id>" in address.pattern
        for id in IDS
        for method in ("GET", "POST")
        for path in ["/" + PLACE.sub(id, address.pattern)]
    ]
    assert not broken(asked), "\n".join(broken(asked))


def dialogs() -> set[str]:
    """The names of the addresses where something is asked about one record."""
    return {
        f"{one.opts.app_label}_{one.opts.model_name}_{name}"
        for one in map(admin.site.get_model_admin, admin.site._registry)
        for name in getattr(one, "actions_detail", None) or ()
        if getattr(getattr(one, name), "dialog", None)
    }


def test_every_dialog_says_that_its_record_is_not_there(owner: Client) -> None:
    names = dialogs()
    asked = [address for address in admin_addresses() if address.name in names]
    assert len(asked) > 10
    for address in asked:
        for id in IDS:
            path = "/" + PLACE.sub(id, address.pattern)
            answer = ask(owner, "POST", path, {"_form_submitted": "1"})
            (said,) = get_messages(answer.wsgi_request)
            assert str(said).startswith("There is no such "), path
            assert answer["HX-Redirect"] == reverse(f"admin:{address.model}_changelist")


def test_no_action_breaks_over_rows_that_are_none(owner: Client) -> None:
    for model in MODELS:
        url = reverse(f"admin:{model}_changelist")
        form = ask(owner, "GET", url).context.get("action_form")
        for action in [name for name, _ in form.fields["action"].choices] if form else []:
            for id in ("\0", "nonsense", "9" * 30, ""):
                data = {"action": action, "_selected_action": id, "index": 0, "post": "yes"}
                assert ask(owner, "POST", url, data).status_code < 500, (model, action, id)


def joined(path: str, query: str) -> str:
    return quote(path, safe="/?=&%") + ("&" if "?" in path else "?") + query
