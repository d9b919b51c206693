"""Who may call which route of the API, by which method: every route that the URL resolver knows."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from tests.admin_ext.cast import Scene, scene
from tests.admin_ext.people import WHO, everybody, quiet
from tests.admin_ext.walk import ask, found
from tests.cast import Sender, event
from tracking.models import Event, EventError, Receipt, SessionApplication

__all__ = ["quiet", "scene"]

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = (*WHO, "pages' key", "own key", "other's key")
CORRECTED = {"category": "form", "name": "a", "data": {"a": 1}}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# For the callers in this order: nobody, staff without permissions, an analyst, an operator, an
# administrator, a superuser; and a publishable key, the owner's secret key, another application's.
MATRIX = """
reports           GET    401 403 200 200 200 200 403 200 200
reports-csv       GET    401 403 200 200 200 200 403 200 200
reports.csv       GET    401 403 200 200 200 200 403 200 200
rollups           GET    401 403 200 200 200 200 403 200 200
heatmap           GET    401 403 200 200 200 200 403 200 400
rebuild           POST   401 403 403 202 202 202 403 403 403
rebuild-pause     POST   401 403 403 409 409 409 403 403 403
rebuild-resume    POST   401 403 403 409 409 409 403 403 403
rebuild-cancel    POST   401 403 403 409 409 409 403 403 403
session-report    GET    401 403 200 200 200 200 403 200 404
session-pointer   GET    401 403 200 200 200 200 403 200 404
session-pointer   POST   401 403 403 403 403 403 400 400 400
session-trail     GET    401 403 202 202 202 202 403 202 404
session-recompute POST   401 403 403 202 202 202 403 202 404
task              GET    401 403 200 200 200 200 403 200 200
schema            GET    200 200 200 200 200 200 200 200 200
schema-swagger    GET    200 200 200 200 200 200 200 200 200
schema-redoc      GET    200 200 200 200 200 200 200 200 200
docs              GET    200 200 200 200 200 200 200 200 200
swagger           GET    200 200 200 200 200 200 200 200 200
redoc             GET    200 200 200 200 200 200 200 200 200
errors-reprocess  POST   401 403 403 202 202 202 403 202 202
errors            GET    401 403 200 200 200 200 403 200 200
error             GET    401 403 200 200 200 200 403 200 404
events            GET    401 403 200 200 200 200 403 200 200
events            POST   401 401 401 401 401 401 202 202 202
event             GET    401 403 200 200 200 200 403 200 404
event             PUT    401 403 403 403 200 200 403 200 404
event             PATCH  401 403 403 403 200 200 403 200 404
event             DELETE 401 403 403 403 204 204 403 204 404
events-validate   POST   401 401 401 401 401 401 200 200 200
receipt           GET    401 403 200 200 200 200 403 200 404
sessions          GET    401 403 200 200 200 200 403 200 200
sessions          POST   401 403 403 403 403 403 201 201 201
session           GET    401 403 200 200 200 200 403 200 404
session           DELETE 401 403 403 403 204 204 403 204 404
session-events    GET    401 403 200 200 200 200 403 200 404
capture           GET    200 200 200 200 200 200 200 200 200
error-codes       GET    200 200 200 200 200 200 200 200 200
healthz           GET    200 200 200 200 200 200 200 200 200
readyz            GET    200 200 200 200 200 200 200 200 200
metrics           GET    401 403 200 200 200 200 401 401 401
"""


# What a method that a route does not have may be answered.
REFUSED = {401, 403, 404, 405}


def rows() -> dict[tuple[str, str], list[int]]:
    lines = (line.split() for line in MATRIX.strip().splitlines())
    return {(name, method): list(map(int, answers)) for name, method, *answers in lines}


@pytest.fixture
def callers(shop: Sender, shop_pages: Sender, stranger: Sender) -> dict[str, tuple[Client, str]]:
    """Each with a browser's session or a key."""
    staff = {who: (client, "") for who, client in everybody().items()}
    keys = zip(CALLERS[-3:], (shop_pages, shop, stranger), strict=True)
    return {**staff, **{name: (sender.client, sender.key) for name, sender in keys}}


def routes() -> dict[str, str]:
    """The canonical address of each route, and the few that have only one."""
    named = [(name, path) for name, path in found(get_resolver().url_patterns)]
    outside = [(name, path) for name, path in named if not path.startswith("admin/")]
    canonical = {}
    for name, path in outside:
        if name not in canonical and "<" not in name and "/" not in name:
            canonical[name] = "/" + path.replace("/?$", "").strip("^$")
    return canonical


def addresses(scene: Scene) -> dict[str, str]:
    ids: dict[str, Any] = {
        "event": Event.objects.filter(session_id=scene.session).first().pk,  # type: ignore[union-attr]
        "error": EventError.objects.first().pk,  # type: ignore[union-attr]
        "receipt": Receipt.objects.filter(rejected__gt=0).first().pk,  # type: ignore[union-attr]
        "task": UUID(int=1),
    }
    shop = SessionApplication.objects.get(session=scene.session).application_id
    return {
        name: path.replace("<id:id>", str(ids.get(name, scene.session))).replace(
            "<number:id>", str(ids.get(name))
        )
        + (f"?page=/&application={shop}" if name == "heatmap" else "")
        for name, path in routes().items()
    }


def body(name: str, session: UUID) -> Any:
    bodies = {"events": [event(session)], "events-validate": [event(session)], "event": CORRECTED}
    return bodies.get(name, {})


def call(caller: tuple[Client, str], method: str, path: str, data: Any) -> int:
    client, key = caller
    client.raise_request_exception = False
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    sent = None if method == "GET" else data
    more = {} if sent is None else {"content_type": "application/json"}
    return int(ask(client, method, path, sent, headers, **more).status_code)


def test_every_route_answers_every_caller_as_the_matrix_says(
    scene: Scene, callers: dict[str, tuple[Client, str]]
) -> None:
    wrong, matrix = [], rows()
    for name, path in addresses(scene).items():
        for method in METHODS:
            data = body(name, scene.session)
            answers = [call(callers[who], method, path, data) for who in CALLERS]
            right = matrix.pop((name, method), None)
            if right is None and set(answers) - REFUSED:
                wrong.append(f"{name} {method} {answers}: say in MATRIX who may do so")
            elif right and right != answers:
                wrong.append(f"{name} {method} {answers}, and not {right}")
    assert not wrong, "\n".join(wrong)
    assert not matrix, "there is no such route any more"


def test_every_spelling_of_a_route_is_the_same_route() -> None:
    views: dict[str, set[object]] = {}
    for pattern in get_resolver().url_patterns:
        for one in getattr(pattern, "url_patterns", []):
            if isinstance(one, URLPattern) and getattr(pattern, "app_name", "") != "admin":
                spelling = str(one.pattern).removeprefix("api/").strip("/")
                views.setdefault(spelling, set()).add(one.callback)
    assert [spelling for spelling, found in views.items() if len(found) != 1] == []
