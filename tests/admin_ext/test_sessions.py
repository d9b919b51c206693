"""A session's page, the list it is found in, and what strangers may write on them."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from reports import builder
from tests.admin_ext.cast import HOSTILE, Scene, staff, task_result
from tests.admin_ext.test_pages import urls
from tests.cast import Sender, at, event, sender
from tracking.models import Session

LIST = reverse("admin:tracking_session_changelist")


def page_of(client: Client, session: UUID) -> str:
    response = client.get(reverse("admin:tracking_session_change", args=[session]))
    assert response.status_code == 200
    return str(response.content.decode())


def listed(client: Client, query: dict[str, str]) -> list[UUID]:
    response = client.get(LIST, query)
    assert response.status_code == 200, query
    return [session.pk for session in response.context["cl"].result_list]


def test_the_page_shows_report_and_errors_and_where_the_rest_is(
    owner: Client, scene: Scene
) -> None:
    page = page_of(owner, scene.session)
    assert re.search(r'data-fact="distance_px"[^>]*>708<', page)
    assert re.search(r'data-fact="events"[^>]*>3<', page)
    assert re.search(r'data-fact="errors"[^>]*>1<', page)
    assert f'data-timeline-url="/api/sessions/{scene.session}/events"' in page
    assert f'data-trail-url="/api/sessions/{scene.session}/trail"' in page
    assert "The category must not be empty." in page
    assert f'data-pointer-url="/api/sessions/{scene.session}/pointer"' in page


def test_the_page_leads_to_all_events_errors_and_tasks(owner: Client, scene: Scene) -> None:
    page = page_of(owner, scene.session)
    for view in ("tracking_event", "tracking_eventerror", "django_celery_results_taskresult"):
        address = reverse(f"admin:{view}_changelist", query={"session": scene.session})
        assert f'href="{address}"' in page
        assert owner.get(address).status_code == 200


def test_a_session_that_was_never_heard_of_may_still_come(owner: Client) -> None:
    response = owner.get(reverse("admin:tracking_session_change", args=[uuid4()]))
    assert response.status_code == 404
    assert b"Nothing has arrived yet" in response.content
    assert b"waiting.js" in response.content


def test_what_is_no_session_id_will_not_come(owner: Client) -> None:
    response = owner.get(reverse("admin:tracking_session_change", args=[HOSTILE[0]]))
    assert response.status_code == 404
    assert b"There is no such session" in response.content
    assert b"waiting.js" not in response.content
    assert HOSTILE[0].encode() not in response.content


def test_a_session_without_a_report_says_so(owner: Client, shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    assert "The report is being built." in page_of(owner, session)


def test_a_session_of_errors_alone_says_so(owner: Client, shop: Sender, session: UUID) -> None:
    shop.send(event(session, category=""))
    assert "all were rejected" in page_of(owner, session)


def test_what_the_page_costs(
    owner: Client, scene: Scene, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    url = reverse("admin:tracking_session_change", args=[scene.session])
    owner.get(url)
    # Who asks (2), the session with its report, its applications, errors, tasks.
    with django_assert_num_queries(6):
        owner.get(url)


def test_a_session_is_found_by_how_its_id_begins(owner: Client, scene: Scene, shop: Sender) -> None:
    other = UUID(int=scene.session.int ^ (1 << 127))
    shop.send(event(other))
    for length in (1, 4, 8, 13, 36):
        start = str(scene.session)[:length]
        assert listed(owner, {"q": start}) == [scene.session]
        assert listed(owner, {"q": f"  {start.upper()} "}) == [scene.session]


def test_what_is_no_id_finds_nothing(owner: Client, scene: Scene) -> None:
    for text in ("xyz", "'; DROP TABLE", "%", "_" * 40, "0" * 33, HOSTILE[0]):
        assert listed(owner, {"q": text}) == [], text


def test_the_search_uses_the_primary_key(owner: Client, scene: Scene) -> None:
    with CaptureQueriesContext(connection) as queries:
        listed(owner, {"q": str(scene.session)[:6]})
    (asked,) = [q["sql"] for q in queries if 'FROM "tracking_session" ' in q["sql"]]
    assert "LIKE" not in asked
    assert '."id" >= ' in asked


def test_the_filters(owner: Client, scene: Scene, shop: Sender) -> None:
    another, old = uuid4(), uuid4()
    elsewhere = sender("elsewhere")
    elsewhere.send(event(another))
    shop.send(event(old, timestamp="2020-01-01T00:00:00Z"))
    assert listed(owner, {}) == [scene.session, another, old]
    assert listed(owner, {"application": str(elsewhere.application_id)}) == [another]
    assert listed(owner, {"period": "1h"}) == [scene.session, another]
    assert listed(owner, {"errors": "yes"}) == [scene.session]
    assert listed(owner, {"errors": "no"}) == [another, old]
    assert listed(owner, {"report": "stale"}) == [another, old]
    assert listed(owner, {"report": "current"}) == [scene.session]


NONSENSE = (
    {"application": "nonsense"},
    {"application": "9" * 40},
    {"application": "-1"},
    {"period": "nonsense"},
    {"errors": "\x00"},
    {"report": HOSTILE[2]},
    {"p": "0"},
    {"p": "99999999999999999999"},
    {"p": "x"},
    {"o": "1.2.-3"},
    {"o": "--"},
    {"o": "-id"},
    {"columns": "nonsense.\x00"},
    {"duration_from": "nonsense"},
    {"distance_to": "nan"},
    {"speed_from": "9" * 400, "speed_to": "-1e308"},
    {"flag": "\x00"},
    {"live": "nonsense"},
    {"rage": "nonsense"},
    {"category": "\x00", "name": HOSTILE[0]},
    {"all": ""},
)


def test_a_filter_that_makes_no_sense_is_no_fault(owner: Client, scene: Scene) -> None:
    for query in NONSENSE:
        assert owner.get(LIST, query, follow=True).status_code == 200, query


def test_no_other_lookup_can_be_typed_into_the_address(owner: Client, scene: Scene) -> None:
    address = reverse("admin:tracking_event_changelist")
    for lookup in ("data__contains", "id__range", "session__id", "name__regex"):
        assert owner.get(address, {lookup: "x"}).status_code == 400, lookup


def test_events_take_any_filter(owner: Client, scene: Scene) -> None:
    address = reverse("admin:tracking_event_changelist")
    for name in ("category", "name", "session", "application"):
        for value in ("\x00", "\udcff", "x" * 5_000, *HOSTILE):
            response = owner.get(address, {name: value.encode(errors="surrogateescape")})
            assert response.status_code == 200, (name, value)
            assert HOSTILE[0] not in response.content.decode()


def test_events_are_found_by_category_name_session_and_period(
    owner: Client, scene: Scene, shop: Sender
) -> None:
    address = reverse("admin:tracking_event_changelist")

    def names(query: dict[str, str]) -> list[str]:
        events = owner.get(address, query).context["cl"].result_list
        return [f"{found.category}/{found.name}" for found in events]

    shop.send(event(uuid4(), timestamp="2020-01-01T00:00:00Z"))
    everything = ["form/submit", "pointer/path", "pointer/path", "page interaction/cta click"]
    assert names({}) == everything
    assert names({"category": "pointer"}) == everything[1:3]
    assert names({"category": "form", "name": "submit"}) == everything[:1]
    assert names({"session": str(scene.session)}) == everything[:3]
    assert names({"session": "nonsense"}) == []
    assert names({"period": "24h"}) == everything[:3]
    assert names({"application": str(shop.application_id)}) == everything


ALPINE = re.compile(r"""\s(?:x-[\w:.-]+|@[\w.-]+|:[\w-]+)=(?:"([^"]*)"|'([^']*)')""")


@pytest.fixture
def hostile(session: UUID) -> Scene:
    """An application, a category, a name, data and wrong fields, all of them hostile."""
    for number, text in enumerate(HOSTILE):
        evil = sender(text)
        evil.send(
            event(session, category=text, name=text, data={text: text}, timestamp=at(number)),
            event(session, category=text, timestamp=text, data={text: "\x00"}),
            event(session, category="", **{text: text}),
        )
    builder.build_stale()
    return Scene(session, 0)


def test_hostile_text_is_shown_as_text(owner: Client, hostile: Scene) -> None:
    models: Any = [
        model
        for model in admin.site._registry
        if model._meta.app_label in {"tracking", "reports"} and model._default_manager.exists()
    ]
    pages = [address for model in models for address in urls(model)] + ["/admin/"]
    pages.append(reverse("admin:tracking_session_change", args=[hostile.session]))
    for address in pages:
        page = owner.get(address).content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address
        alpine = " ".join(first or second for first, second in ALPINE.findall(page))
        assert "alert(1)" not in alpine, address


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("view_event", "data-timeline-url"),
        ("view_eventerror", "The category must not be empty."),
        ("view_sessionreport", "distance_px"),
        ("view_sessionreport", "data-trail-url"),
        ("view_sessionreport", "data-heat-url"),
        ("view_taskresult", "11111111"),
    ],
)
def test_a_page_shows_only_what_its_viewer_may_see(
    shop: Sender, session: UUID, permission: str, seen: str
) -> None:
    shop.send(event(session), event(session, category=""))
    builder.build(session)
    task_result(session)
    little = staff("guest", "view_session")
    assert seen not in page_of(little, session)
    assert seen in page_of(staff("colleague", "view_session", permission), session)


def test_the_list_shows_the_reports_numbers_only_to_who_may_see_them(scene: Scene) -> None:
    columns = {
        name: {header.title for header in response.context["cl"].headers}
        for name, permissions in (
            ("guest", ["view_session"]),
            ("colleague", ["view_session", "view_sessionreport"]),
        )
        for response in [staff(name, *permissions).get(LIST)]
    }
    more = {"Speed", "Duration", "Distance", "P95 speed"}
    assert columns["colleague"] - columns["guest"] == more


def test_events_that_have_expired_are_counted_everywhere(
    owner: Client, scene: Scene, shop: Sender
) -> None:
    Session.objects.update(expired_events=1_231, last_at=now())
    assert "1,234" in page_of(owner, scene.session)
    for address in (LIST, "/admin/"):
        assert "1,234" in owner.get(address).content.decode(), address
    (live,) = owner.get("/admin/live.json").json()["board"]["sessions"]
    assert live["events"] == 1_234
    assert shop.get(f"/api/sessions/{scene.session}").json()["events"] == 1_234
