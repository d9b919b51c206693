"""The lists that staff browse: sorted, narrowed down, counted, with the columns they chose."""

import re
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from admin_ext import columns, saved_views
from admin_ext.counts import rounded
from admin_ext.kit import InfinitePaginator
from admin_ext.models import SavedView
from reports import builder
from reports.models import SORTED, SessionReport
from tests.admin_ext.cast import HOSTILE, Scene, signed_in, staff
from tests.cast import START, Sender, at, event, path
from tests.processes import Process
from tracking.models import Session

SESSIONS = reverse("admin:tracking_session_changelist")
REPORTS = reverse("admin:reports_sessionreport_changelist")
EVENTS = reverse("admin:tracking_event_changelist")
ERRORS = reverse("admin:tracking_eventerror_changelist")
LISTS = (SESSIONS, REPORTS)


@pytest.fixture
def others(scene: Scene, shop: Sender) -> list[UUID]:
    """Beside the scene: a session without a pointer, then a longer one that was slower."""
    still, slow = uuid4(), uuid4()
    shop.send(event(still, category="shop", name="order", timestamp=at(0)))
    t = [n * 16.0 for n in range(60)]
    shop.send(
        path(slow, 0, t, [0.1 * n for n in range(60)], [0.0] * 60),
        event(slow, category="shop", name="look", timestamp=at(30)),
    )
    builder.build_stale()
    return [still, slow]


def found(client: Client, list_url: str, **query: str) -> list[UUID]:
    response = client.get(list_url, query)
    assert response.status_code == 200, query
    return [row.pk for row in response.context["cl"].result_list]


def titles(client: Client, list_url: str, **query: str) -> list[str]:
    return [header.title for header in client.get(list_url, query).context["cl"].headers]


def sortable(client: Client, list_url: str) -> dict[str, Any]:
    """The names of all columns to sort by, and what they are sorted by."""
    model_admin: Any = client.get(list_url).context["cl"].model_admin
    every = [*model_admin.list_display, *model_admin.more_columns]
    return {
        one.__name__: one.admin_order_field for one in every if hasattr(one, "admin_order_field")
    }


@pytest.mark.parametrize("list_url", LISTS)
def test_every_number_that_is_shown_sorts_in_both_directions(
    owner: Client, others: list[UUID], list_url: str
) -> None:
    paths = sortable(owner, list_url)
    every = {"columns": columns.SEPARATOR.join(paths)}
    headers = list(owner.get(list_url, every).context["cl"].headers)
    assert all(header.url for header in headers if header.right)
    for name, path_ in paths.items():
        # Of these sessions the report knows the last event as well as the session does.
        field = path_.removeprefix("report__").replace("last_at", "ended_at")
        numbered = SessionReport.objects.exclude(**{field: None})
        up = list(numbered.order_by(field, "pk").values_list("pk", flat=True))
        assert up, name
        assert found(owner, list_url, o=name, **every) == up, name
        assert found(owner, list_url, o=f"-{name}", **every) == up[::-1], name


def test_what_is_sorted_has_an_index(owner: Client) -> None:
    of_the_model = {"last_at", "ended_at"}
    for list_url in LISTS:
        paths = {path_.removeprefix("report__") for path_ in sortable(owner, list_url).values()}
        assert paths - of_the_model <= set(SORTED)


def test_a_header_says_how_the_list_is_sorted(owner: Client, others: list[UUID]) -> None:
    page = owner.get(SESSIONS).content.decode()
    assert 'class="column-last_at" aria-sort="descending"' in page
    page = owner.get(SESSIONS, {"o": "speed_p95"}).content.decode()
    assert 'class="column-speed_p95 eye-right" aria-sort="ascending"' in page
    assert page.count("aria-sort") == 1
    assert "2 sessions that have a p95 speed" in page
    page = owner.get(SESSIONS, {"o": "-error_count"}).content.decode()
    assert "3 sessions that have a session report" in page
    page = owner.get(REPORTS, {"o": "-errors"}).content.decode()
    assert re.search(r"3 session reports\s*</span>", page)


def test_sorted_by_its_own_time_a_list_leaves_out_nothing(
    owner: Client, others: list[UUID]
) -> None:
    Session.objects.filter(pk=others[0]).update(last_at=None)
    assert len(found(owner, SESSIONS)) == 3
    assert found(owner, SESSIONS, o="-last_at") == found(owner, SESSIONS)


def test_a_list_that_nothing_is_in_says_why(owner: Client, scene: Scene) -> None:
    SessionReport.objects.update(speed_p95=None)
    page = owner.get(SESSIONS, {"o": "-speed_p95"}).content.decode()
    assert "There are no sessions that have a p95 speed" in page
    page = owner.get(SESSIONS, {"o": "-last_at", "p": "3"}).content.decode()
    assert "There are no more" in page
    assert 'href="?o=-last_at"' in page
    Session.objects.all().delete()
    page = owner.get(SESSIONS).content.decode()
    assert "No sessions yet" in page
    assert "Previous" not in page


def test_after_the_last_full_page_there_is_none(owner: Client, shop: Sender) -> None:
    shop.send(*(event(uuid4()) for _ in range(100)))
    for number, has_next in (("1", True), ("2", False)):
        assert owner.get(EVENTS, {"p": number}).context["cl"].has_next == has_next


def test_other_filters_begin_with_the_first_page(owner: Client, scene: Scene) -> None:
    page = owner.get(SESSIONS, {"p": "3", "o": "-last_at", "e": "1"}).content.decode()
    (form,) = re.findall(r'<form id="filter-form".*?</form>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value', form)
    assert "o" in hidden
    assert not {"p", "e"} & {*hidden}


def test_a_pointer_as_fast_as_can_be_sent_is_listed(owner: Client, shop: Sender) -> None:
    session = uuid4()
    seconds = (now() - START).total_seconds()
    shop.send(path(session, seconds, [0.0, 0.4], [0.0, 1e6], [0.0, 1e6]))
    builder.build_stale()
    assert found(owner, SESSIONS) == found(owner, REPORTS) == [session]
    live = owner.get(reverse("admin:eye_live_data"))
    (told,) = live.json()["board"]["sessions"]
    assert told["id"] == str(session)


def test_sorting_stays_while_filters_and_pages_change(owner: Client, others: list[UUID]) -> None:
    page = owner.get(SESSIONS, {"o": "-distance_px", "errors": "no"})
    assert "errors=no" in page.content.decode()
    links = [header.url for header in page.context["cl"].headers if header.url]
    assert all("errors=no" in link for link in links)
    assert "?errors=no&amp;o=distance_px" in page.content.decode()


def test_events_are_sorted_by_time(owner: Client, others: list[UUID]) -> None:
    latest_first = found(owner, EVENTS)
    assert found(owner, EVENTS, o="timestamp") == latest_first[::-1]
    assert found(owner, EVENTS, o="-timestamp") == latest_first


@pytest.mark.parametrize("list_url", LISTS)
def test_sessions_and_reports_are_narrowed_down(
    owner: Client, scene: Scene, others: list[UUID], list_url: str
) -> None:
    still, slow = others
    SessionReport.objects.filter(pk=slow).update(flags=["coarse"], rage_bursts=1)
    # It has a name of one category, and another name of another.
    SessionReport.objects.filter(pk=still).update(
        by_name={"shop": {"order": 1}, "form": {"submit": 1}}
    )
    Session.objects.filter(pk=slow).update(last_at=now())
    for query, right in (
        ({"duration_from": "20"}, {slow}),
        ({"duration_to": "20"}, {scene.session, still}),
        ({"distance_from": "500"}, {scene.session}),
        ({"distance_from": "1", "distance_to": "500"}, {slow}),
        ({"speed_from": "0"}, {scene.session, slow}),
        ({"speed_to": "100"}, {slow}),
        ({"speed_from": "1 000"}, set()),
        ({"errors": "yes"}, {scene.session}),
        ({"rage": "yes"}, {slow}),
        ({"rage": "no"}, {scene.session, still}),
        ({"flag": "any"}, {slow}),
        ({"flag": "coarse"}, {slow}),
        ({"flag": "capped"}, set()),
        ({"category": "shop"}, {still, slow}),
        ({"name": "order"}, {still}),
        ({"category": "form", "name": "submit"}, {scene.session, still}),
        ({"category": "form", "name": "order"}, set()),
        ({"category": "shop", "name": "look"}, {slow}),
        ({"category": "shop", "name": "submit"}, set()),
        ({"application": "shop"}, set()),
        ({"live": "yes"}, {slow}),
        ({"live": "no"}, {scene.session, still}),
    ):
        assert set(found(owner, list_url, **query)) == right, query


@pytest.mark.parametrize("list_url", LISTS)
def test_a_list_shows_a_period_of_ones_own(
    owner: Client, scene: Scene, others: list[UUID], list_url: str
) -> None:
    still, slow = others
    moment = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)
    Session.objects.filter(pk=still).update(last_at=moment)
    SessionReport.objects.filter(pk=still).update(ended_at=moment)
    for query, right in (
        ({"from": "2026-01-31T10:00Z", "to": "2026-01-31T11:00Z"}, {still}),
        ({"from": "2026-01-31T10:30Z", "to": "2026-01-31T10:31Z"}, {still}),
        ({"from": "2026-01-31T10:00Z", "to": "2026-01-31T10:30Z"}, set()),
        ({"from": "2026-01-31T11:30", "zone": "Europe/Vienna"}, {still, scene.session, slow}),
        ({"from": "2026-01-31T11:31", "zone": "Europe/Vienna"}, {scene.session, slow}),
        ({"to": "2026-01-31T11:00Z", "period": "15m"}, {still}),
        ({"from": "", "to": "", "zone": "Europe/Vienna"}, {still, scene.session, slow}),
    ):
        assert set(found(owner, list_url, **query)) == right, query


def test_events_and_errors_of_a_period_of_ones_own(owner: Client, scene: Scene) -> None:
    begin = f"{START - timedelta(minutes=1):%Y-%m-%dT%H:%MZ}"
    for list_url, count in ((EVENTS, 3), (ERRORS, 2)):
        assert len(found(owner, list_url, **{"from": begin})) == count
        assert found(owner, list_url, to=begin) == []


def test_the_form_of_a_period_is_in_the_viewers_zone(owner: Client, scene: Scene) -> None:
    owner.cookies["eye_zone"] = "Europe/Vienna"
    asked = {"from": "2026-01-31T10:00Z", "to": "2026-07-31T10:00Z"}
    page = owner.get(SESSIONS, asked).content.decode()
    for name, value in (
        ("from", "2026-01-31T11:00"),
        ("to", "2026-07-31T12:00"),
        ("zone", "Europe/Vienna"),
    ):
        assert re.search(rf'<input[^>]*name="{name}"[^>]*value="{value}"', page), name


def test_the_form_leaves_open_what_was_left_open(owner: Client, scene: Scene) -> None:
    for zone in ("UTC", "Europe/Vienna", "America/New_York"):
        owner.cookies["eye_zone"] = zone
        form = owner.get(SESSIONS, {"to": "2026-01-31T10:00Z"}).context["cl"].filter_specs[0]
        (choice,) = form.choices(None)
        assert choice["form"]["from"].value() is None, zone


def test_a_period_that_cannot_be_is_told_and_shows_nothing(owner: Client, scene: Scene) -> None:
    page = owner.get(SESSIONS, {"from": "yesterday"})
    assert not page.context["cl"].result_list
    assert page.content.decode().count("“from” is no time") == 1


def test_who_sees_no_reports_cannot_ask_for_their_numbers(others: list[UUID]) -> None:
    guest = staff("guest", "view_session")
    everything = found(guest, SESSIONS)
    assert found(guest, SESSIONS, columns="distance_px.speed_line", o="-distance_px") == everything
    assert titles(guest, SESSIONS, columns="distance_px.speed_line") == titles(guest, SESSIONS)
    assert guest.get(SESSIONS, {"distance_from": "1"}).status_code == 400


def test_columns_are_chosen_and_remembered_by_the_browser(owner: Client, scene: Scene) -> None:
    usual = titles(owner, SESSIONS)
    chosen = owner.get(SESSIONS, {"columns": ["", "clicks", "state"], "errors": "yes"})
    assert chosen.status_code == 302
    assert chosen["Location"] == f"{SESSIONS}?errors=yes&columns=state.clicks"
    assert titles(owner, SESSIONS) == ["Session", "State", "Clicks"]
    assert titles(owner, SESSIONS, columns="flags") == ["Session", "Flags"]
    assert titles(owner, SESSIONS) == ["Session", "State", "Clicks"], "another's address stays his"
    assert "Clicks" not in titles(owner, REPORTS, columns="samples")
    owner.get(SESSIONS, {"columns": ["", ""]})
    assert titles(owner, SESSIONS) == usual


def test_the_file_has_the_columns_that_the_list_shows(owner: Client, others: list[UUID]) -> None:
    address = reverse("admin:reports_sessionreport_export_all")
    query = {"columns": "speed_line.clicks.distance_px", "o": "-distance_px", "flag": "any"}
    file = b"".join(owner.get(address, query))
    assert file == b"session,distance_px,clicks\n"


def test_a_row_draws_how_fast_the_pointer_was(owner: Client, others: list[UUID]) -> None:
    page = owner.get(SESSIONS)
    still, slow = others
    rows = dict(zip(found(owner, SESSIONS), page.context["cl"].rows, strict=True))
    # Its first second: a tenth of a pixel every 16 ms.
    assert 'aria-label="up to 6 px/s on average"' in rows[slow]
    assert "<svg" not in rows[still]
    assert "<svg" not in owner.get(SESSIONS, {"columns": "clicks"}).content.decode()


def test_rows_are_counted(owner: Client, others: list[UUID]) -> None:
    assert "3 sessions" in owner.get(SESSIONS).content.decode()
    assert "1 session<" in owner.get(SESSIONS, {"errors": "yes"}).content.decode()


def test_pages_are_counted_too(owner: Client, shop: Sender) -> None:
    shop.send(*(event(uuid4()) for _ in range(120)))
    first = owner.get(SESSIONS).content.decode()
    assert "1–50 of 120 sessions" in first
    assert "101–120 of 120 sessions" in owner.get(SESSIONS, {"p": "3"}).content.decode()
    assert owner.get(SESSIONS, {"p": "9"}).status_code == 200


def test_the_last_page_is_the_last_one_asked_for(
    owner: Client, shop: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(*(event(uuid4()) for _ in range(120)))
    monkeypatch.setattr(InfinitePaginator, "MOST_PAGES", 2)
    for asked, shows in (
        ("0", "1–50 of"),
        ("-3", "1–50 of"),
        ("2", "51–100 of"),
        ("9", "51–100 of"),
    ):
        page = owner.get(SESSIONS, {"p": asked, "o": "-last_at"}).content.decode()
        assert shows in page, asked
        assert ("For more, narrow the list down." in page) == (shows == "51–100 of")


def test_an_estimate_says_no_more_than_it_knows() -> None:
    numbers = (0, 7, 99, 101, 12_345, 9_876_543)
    assert [rounded(number) for number in numbers] == [0, 7, 99, 100, 12_000, 9_900_000]


def save(client: Client, list_url: str, query: str, **form: str) -> Any:
    return client.post(f"{list_url}views/save/?{query}", form, follow=True)


def shown(client: Client, list_url: str, query: str = "") -> list[tuple[str, bool]]:
    """The views above a list, and which of them it is."""
    views = client.get(f"{list_url}?{query}").context["views"]
    return [(view.name, view == views.current) for view in views.all]


def test_a_view_is_kept_under_its_name(owner: Client, others: list[UUID]) -> None:
    query = "o=-distance_px&errors=yes&columns=clicks&p=3"
    page = save(owner, SESSIONS, query, name="Rage")
    assert page.redirect_chain == [(f"{SESSIONS}?columns=clicks&errors=yes&o=-distance_px", 302)]
    assert shown(owner, SESSIONS) == [("Rage", False)]
    assert shown(owner, SESSIONS, "errors=yes&columns=clicks&o=-distance_px") == [("Rage", True)]
    assert shown(owner, REPORTS) == []
    save(owner, SESSIONS, "errors=no", name="Rage")
    assert SavedView.objects.get().query == "errors=no"


def test_a_view_has_the_columns_that_the_browser_remembers(
    owner: Client, others: list[UUID]
) -> None:
    owner.get(f"{SESSIONS}?columns=&columns=rage_bursts&columns=id")
    save(owner, SESSIONS, "o=-rage_bursts", name="Rage", shared="on")
    query = SavedView.objects.get().query
    assert query == "columns=rage_bursts&o=-rage_bursts"
    second = signed_in(User.objects.create_superuser("second"))
    assert titles(second, f"{SESSIONS}?{query}") == ["Session", "Rage bursts"]


def test_an_order_is_kept_where_its_column_is_not_shown(owner: Client, others: list[UUID]) -> None:
    by_samples = found(owner, SESSIONS, o="-samples")
    assert by_samples == found(owner, SESSIONS, o="-samples", columns="samples")
    assert by_samples != found(owner, SESSIONS)


def test_a_view_of_what_one_may_not_ask_for_is_not_offered(owner: Client, scene: Scene) -> None:
    save(owner, SESSIONS, "distance_from=1", name="far", shared="on")
    guest = staff("guest", "view_session")
    assert shown(owner, SESSIONS) == [("far", False)]
    assert shown(guest, SESSIONS) == []
    refused = guest.post(f"{SESSIONS}views/save/?nonsense=1", {"name": "x"}, follow=True)
    assert "no such filter" in refused.content.decode()
    assert SavedView.objects.count() == 1


def test_ones_own_views_come_first_and_can_all_be_deleted(owner: Client, scene: Scene) -> None:
    colleagues = [User.objects.create_user(f"colleague {n}") for n in range(3)]
    SavedView.objects.bulk_create(
        SavedView(owner=colleagues[n % 3], page="tracking.Session", name=f"0 {n}", shared=True)
        for n in range(120)
    )
    save(owner, SESSIONS, "errors=yes", name="mine")
    mine = SavedView.objects.get(name="mine")
    SavedView.objects.filter(pk=mine.pk).update(query="gone=1")
    views = owner.get(SESSIONS).context["views"]
    assert views.known[0] == views.removable[0] == mine
    assert mine not in views.all
    forget = reverse("admin:tracking_session_forget_view", args=[mine.pk])
    assert forget in owner.get(SESSIONS).content.decode()


def test_who_copies_a_shared_view_shares_it_only_if_asked_to(owner: Client, scene: Scene) -> None:
    save(owner, SESSIONS, "errors=yes", name="ours", shared="on")
    box = '<input type="checkbox" name="shared"'
    assert f"{box} checked>" in owner.get(SESSIONS, {"errors": "yes"}).content.decode()
    colleague = staff("colleague", "view_session")
    assert f"{box}>" in colleague.get(SESSIONS, {"errors": "yes"}).content.decode()


def test_a_superuser_tidies_up_what_others_share(owner: Client, scene: Scene) -> None:
    colleague = staff("colleague", "view_session")
    for name, shared in (("ours", {"shared": "on"}), ("mine", {})):
        save(colleague, SESSIONS, "errors=yes", name=name, **shared)
    for view in SavedView.objects.all():
        forget = reverse("admin:tracking_session_forget_view", args=[view.pk])
        assert owner.post(forget).status_code == (302 if view.shared else 404)
    assert [view.name for view in SavedView.objects.all()] == ["mine"]


def test_columns_that_nobody_has_are_not_remembered(web: Process, owner: Client) -> None:
    """Django's test client takes any text in a cookie; the real server does not."""
    connection = HTTPConnection(urlsplit(web.url).netloc, timeout=20)
    cookie = f"sessionid={owner.cookies['sessionid'].value}"
    asked = f"{SESSIONS}?columns=&columns=%E2%98%83&columns=id"
    connection.request("GET", asked, headers={"Cookie": cookie})
    answer = connection.getresponse()
    assert answer.status == 302
    assert "eye_columns=id;" in str(answer.getheader("Set-Cookie"))


def test_a_view_is_shared_with_who_may_see_the_list(owner: Client, scene: Scene) -> None:
    save(owner, SESSIONS, "errors=yes", name="mine")
    save(owner, SESSIONS, "live=yes", name="ours", shared="on")
    colleague = staff("colleague", "view_session")
    assert shown(colleague, SESSIONS) == [("ours", False)]
    assert "Shared by owner" in colleague.get(SESSIONS).content.decode()
    view = SavedView.objects.get(name="ours")
    forget = reverse("admin:tracking_session_forget_view", args=[view.pk])
    assert colleague.post(forget).status_code == 404
    assert staff("stranger").post(forget).status_code == 403
    assert owner.post(forget).status_code == 302
    assert shown(colleague, SESSIONS) == []


def test_a_view_cannot_be_forgotten_in_another_list(owner: Client, scene: Scene) -> None:
    save(owner, SESSIONS, "", name="all of them")
    view = SavedView.objects.get()
    elsewhere = reverse("admin:tracking_event_forget_view", args=[view.pk])
    assert owner.post(elsewhere).status_code == 404


def test_what_cannot_be_kept_is_said(owner: Client, scene: Scene) -> None:
    for query, name, said in (
        ("errors=yes", "", "give the view a name"),
        ("errors=yes", "x" * 61, "give the view a name"),
        ("q=" + "x" * 2_001, "long", "more filters than a view can keep"),
    ):
        assert said in save(owner, SESSIONS, query, name=name).content.decode()
    user = User.objects.get(username="owner")
    SavedView.objects.bulk_create(
        SavedView(owner=user, page="tracking.Session", name=f"view {n}", query="")
        for n in range(saved_views.MOST)
    )
    assert "Delete one first" in save(owner, SESSIONS, "", name="one more").content.decode()
    assert "is saved" in save(owner, SESSIONS, "", name="view 7").content.decode()


def test_hostile_names_of_views_are_text(owner: Client, scene: Scene) -> None:
    for text in HOSTILE:
        save(owner, SESSIONS, f"q={text}", name=text[:60], shared="on")
    page = signed_in(User.objects.create_superuser("second")).get(SESSIONS).content.decode()
    assert HOSTILE[0] not in page
    assert HOSTILE[3] not in page
