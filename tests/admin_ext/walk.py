"""Every address of the admin and of the API, as the URL resolver knows them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from django.contrib import admin
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tracking.models import ErrorGroup

type Patterns = list[URLPattern | URLResolver]
# What stands in for the id of a record in an address.
PLACE = re.compile(r"<(?:\w+:)?\w+>|\(\?P<\w+>[^)]*\)")
FITS = {
    "<int:number>": 1,
    "<path:content_type_id>": 1,
    "(?P<url>.*)": "nowhere/",
    "(?P<app_label>tracking|django_celery_beat|reports|django_celery_results|auth)": "tracking",
}
# What a page is asked, where it is none without.
ASKED = {
    "autocomplete": "?app_label=tracking&model_name=apikey&field_name=application&term=shop",
    "search": "?s=session",
}
MODELS = {
    f"{model._meta.app_label}_{model._meta.model_name}": model for model in admin.site._registry
}


@dataclass(frozen=True)
class Address:
    """A page by its name, `index`; or by its model and its name, `tracking_session`, `change`."""

    model: str | None
    page: str
    pattern: str

    @property
    def name(self) -> str:
        return f"{self.model}_{self.page}" if self.model else self.page

    @property
    def path(self) -> str:
        """With the id of a record, or something else that fits, in each of its places."""
        id = record(self.model).pk if self.model else "1"
        if self.page.startswith("eye_error_"):
            id = ErrorGroup.objects.latest("last_at").pk
        filled = PLACE.sub(lambda place: str(FITS.get(place[0], id)), self.pattern)
        return "/" + filled.strip("^$") + ASKED.get(self.name, "")


def found(patterns: Patterns, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and pattern of each address; what has no name is named for its pattern."""
    for pattern in patterns:
        whole = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from found(pattern.url_patterns, whole)
        else:
            yield pattern.name or str(pattern.pattern), whole


def admin_addresses() -> list[Address]:
    addresses = []
    for name, pattern in found(get_resolver().url_patterns):
        if pattern.startswith("admin/"):
            addresses.append(address(name, pattern))
    return addresses


def address(name: str, pattern: str) -> Address:
    for model in sorted(MODELS, key=len, reverse=True):
        if pattern.startswith(f"admin/{model_path(model)}/"):
            return Address(model, name.removeprefix(f"{model}_"), pattern)
    return Address(None, name, pattern)


def model_path(model: str) -> str:
    meta = MODELS[model]._meta
    return f"{meta.app_label}/{meta.model_name}"


def record(model: str) -> Model:
    """The newest of its kind."""
    newest: Model | None = MODELS[model]._default_manager.order_by("pk").last()
    assert newest is not None, f"no {model} to look at"
    return newest


@contextmanager
def undone() -> Iterator[None]:
    """What is written within is not kept, also where it insists on a transaction of its own.

    Those that want a snapshot take this one.
    """
    outer: Any = transaction.atomic()
    outer._from_testcase = True
    with outer, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield
        transaction.set_rollback(True)


def ask(
    client: Client,
    method: str,
    path: str,
    data: Any = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Any:
    """What is answered; nothing of it stays, neither in the database nor in the client."""
    cookies = SimpleCookie(client.cookies)
    more |= {} if data is None else {"data": data}
    try:
        with nullcontext() if method == "GET" else undone():
            response: Any = getattr(client, method.lower())(path, headers=headers, **more)
            if response.streaming:
                b"".join(response)
        return response
    finally:
        client.cookies = cookies
