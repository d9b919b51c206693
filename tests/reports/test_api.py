from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from reports import watching
from reports.builder import build
from reports.models import SessionReport
from reports.tasks import recompute
from tests.cast import Sender, at, event, path
from tracking.api.auth import session_token
from tracking.models import Session


@pytest.fixture
def moved(shop: Sender, session: UUID) -> UUID:
    """A session whose pointer went 30 px in each of three seconds."""
    shop.send(*[stroke(session, second) for second in range(3)])
    build(session)
    return session


@pytest.fixture
def analyst(transactional_db: None) -> Client:
    """May see reports, and nothing else."""
    user = User.objects.create_user("analyst", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_sessionreport"))
    client = Client()
    client.force_login(user)
    return client


def stroke(session: UUID, second: float) -> Any:
    return path(session, second, [0, 100, 200], [0, 15, 30], [0, 0, 0])


def series(answer: Any) -> list[tuple[float, int]]:
    return [(row["distance_px"], row["samples"]) for row in answer["seconds"]]


def test_a_session_tells_its_counts(shop: Sender, moved: UUID) -> None:
    answer = shop.get(f"/api/sessions/{moved}").json()
    assert (answer["events"], answer["errors"], answer["stale"]) == (3, 0, False)
    assert answer["applications"] == ["shop"]


def test_a_report_has_every_number(shop: Sender, moved: UUID) -> None:
    answer = shop.get(f"/api/sessions/{moved}/report").json()
    assert (answer["distance_px"], answer["samples"], answer["moving_ms"]) == (90, 9, 600)
    assert answer["mean_speed"] == pytest.approx(150)
    assert answer["by_name"] == {"pointer": {"path": 3}}
    assert answer["session"] == str(moved)


def test_the_timeline_is_in_order_and_goes_on_where_it_ended(shop: Sender, session: UUID) -> None:
    shop.send(*[event(session, name=f"n{n}", timestamp=at(n)) for n in (2, 0, 1)])
    answer = shop.get(f"/api/sessions/{session}/events").json()
    assert [row["name"] for row in answer["results"]] == ["n0", "n1", "n2"]
    first = shop.get(f"/api/sessions/{session}/events?page_size=1").json()
    rest = shop.get(first["next"]).json()
    assert [row["name"] for row in first["results"] + rest["results"]] == ["n0", "n1"]
    assert shop.get(f"/api/sessions/{session}/events?cursor=x").status_code == 400


class TestPointer:
    def test_the_first_answer_holds_all_seconds(self, shop: Sender, moved: UUID) -> None:
        answer = shop.get(f"/api/sessions/{moved}/pointer").json()
        assert series(answer) == [(30, 3)] * 3
        assert answer["seconds"][0]["mean_speed"] == pytest.approx(150)
        assert answer["data_until"] is not None

    def test_a_cursor_gives_only_what_changed(self, shop: Sender, moved: UUID) -> None:
        cursor = shop.get(f"/api/sessions/{moved}/pointer").json()["cursor"]
        shop.send(stroke(moved, 2.5), stroke(moved, 3))
        build(moved)
        answer = shop.get(f"/api/sessions/{moved}/pointer?since={cursor}").json()
        assert series(answer) == [(90, 6), (60, 3)]
        assert (answer["reset"], answer["cursor"]) == (False, cursor + 1)

    def test_a_recompute_resets_the_series(self, shop: Sender, moved: UUID) -> None:
        cursor = shop.get(f"/api/sessions/{moved}/pointer").json()["cursor"]
        build(moved, anew=True)
        answer = shop.get(f"/api/sessions/{moved}/pointer?since={cursor}").json()
        assert (answer["reset"], len(answer["seconds"])) == (True, 3)

    def test_a_report_made_anew_after_it_was_gone_resets_the_series(
        self, shop: Sender, moved: UUID
    ) -> None:
        for _ in range(3):
            build(moved, anew=True)
        SessionReport.objects.all().delete()
        build(moved)
        answer = shop.get(f"/api/sessions/{moved}/pointer?since=3").json()
        assert (answer["reset"], len(answer["seconds"])) == (True, 3)

    def test_nothing_new_is_304(self, shop: Sender, moved: UUID) -> None:
        first = shop.get(f"/api/sessions/{moved}/pointer?since=1")
        again = shop.get(
            f"/api/sessions/{moved}/pointer?since=1", **{"If-None-Match": first["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")

    def test_nothing_new_is_304_after_the_first_answer_too(self, shop: Sender, moved: UUID) -> None:
        url = f"/api/sessions/{moved}/pointer"
        first = shop.get(url)
        after = f"{url}?since={first.json()['cursor']}"
        known = {"If-None-Match": f"W/{first['ETag']}"}  # as a proxy that packs it writes it
        assert shop.get(after, **known).status_code == 304
        shop.send(stroke(moved, 3))
        build(moved)
        assert shop.get(after, **known).status_code == 200

    def test_a_report_made_anew_after_it_was_gone_is_something_new(
        self, shop: Sender, moved: UUID
    ) -> None:
        first = shop.get(f"/api/sessions/{moved}/pointer")
        SessionReport.objects.all().delete()
        build(moved)
        shop.send(stroke(moved, 3))
        build(moved)
        url = f"/api/sessions/{moved}/pointer?since={first.json()['cursor']}"
        answer = shop.get(url, **{"If-None-Match": first["ETag"]})
        assert (answer.status_code, answer.json()["reset"]) == (200, True)

    @pytest.mark.parametrize("who", ["page", "analyst"])
    def test_nothing_new_costs_one_query(
        self, moved: UUID, analyst: Client, who: str, django_assert_num_queries: Any
    ) -> None:
        client = analyst if who == "analyst" else Client()
        headers = {} if who == "analyst" else {"X-Eye-Session-Token": session_token(moved)}
        url = f"/api/sessions/{moved}/pointer"
        known = {**headers, "If-None-Match": client.get(url, headers=headers)["ETag"]}
        with django_assert_num_queries(1):
            assert client.get(url, headers=known).status_code == 304

    @pytest.mark.parametrize("since", ["x", "-1", "1.5", "9" * 30])
    def test_a_wrong_cursor_is_named(self, shop: Sender, moved: UUID, since: str) -> None:
        answer = shop.get(f"/api/sessions/{moved}/pointer?since={since}")
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "since")


class TestWhoWatches:
    def test_who_signs_out_sees_no_more(self, moved: UUID, analyst: Client) -> None:
        url = f"/api/sessions/{moved}/pointer"
        assert analyst.get(url).status_code == 200
        cookie = analyst.cookies["sessionid"].value
        analyst.logout()
        analyst.cookies["sessionid"] = cookie
        assert analyst.get(url).status_code == 401

    def test_who_may_not_any_more_is_refused_when_the_memory_ends(
        self, moved: UUID, analyst: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "MEMORY_SECONDS", 0.0)
        url = f"/api/sessions/{moved}/pointer"
        assert analyst.get(url).status_code == 200
        User.objects.get().user_permissions.clear()
        assert analyst.get(url).status_code == 403

    def test_what_is_forgotten_meanwhile_is_no_error(
        self, moved: UUID, analyst: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As by somebody who signs out in another thread."""
        url = f"/api/sessions/{moved}/pointer"
        assert analyst.get(url).status_code == 200

        def forget_and_tell() -> float:
            watching.forget()
            return monotonic()

        monkeypatch.setattr(watching, "monotonic", forget_and_tell)
        assert analyst.get(url).status_code == 200

    def test_what_is_remembered_is_good_for_nothing_else(
        self, moved: UUID, analyst: Client
    ) -> None:
        assert analyst.get(f"/api/sessions/{moved}/pointer").status_code == 200
        assert analyst.get(f"/api/sessions/{moved}/events").status_code == 403
        assert analyst.get(f"/api/sessions/{uuid4()}/pointer").status_code == 404


class TestWhoMayRead:
    PATHS = ("", "/events", "/report", "/pointer")

    def answers(self, session: UUID, client: Client, **headers: str) -> set[int]:
        urls = [f"/api/sessions/{session}{path}" for path in self.PATHS]
        return {client.get(url, headers=headers).status_code for url in urls}

    def test_its_own_application(self, shop: Sender, moved: UUID) -> None:
        headers = {"Authorization": f"Bearer {shop.key}"}
        assert self.answers(moved, Client(), **headers) == {200}

    def test_no_other_application(self, stranger: Sender, moved: UUID) -> None:
        """And one cannot tell a session that is not there from one that is not yours."""
        headers = {"Authorization": f"Bearer {stranger.key}"}
        assert self.answers(moved, Client(), **headers) == {404}
        assert self.answers(uuid4(), Client(), **headers) == {404}

    def test_of_a_session_that_two_send_to_each_reads_its_own_events(
        self, shop: Sender, stranger: Sender, moved: UUID
    ) -> None:
        stranger.send(event(moved, name="mine"))
        for sender, events in ((shop, 3), (stranger, 1)):
            answer = sender.get(f"/api/sessions/{moved}/events").json()
            assert len({row["application"] for row in answer["results"]}) == 1
            assert len(answer["results"]) == events

    @pytest.mark.parametrize("accept", ["application/xml", "text/html", "nonsense"])
    def test_whoever_asks_for_something_else_gets_json(
        self, shop: Sender, moved: UUID, accept: str
    ) -> None:
        answer = shop.get(f"/api/sessions/{moved}", Accept=accept)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")

    def test_an_id_may_be_spelt_in_capitals(self, shop: Sender, moved: UUID) -> None:
        assert shop.get(f"/api/sessions/{str(moved).upper()}").status_code == 200

    def test_nobody_without_a_key(self, moved: UUID) -> None:
        assert self.answers(moved, Client()) == {401}

    def test_no_page(self, shop_pages: Sender, moved: UUID) -> None:
        assert self.answers(moved, Client(), **{"X-Eye-Key": shop_pages.key}) == {403}

    def test_the_page_that_captures_it(self, moved: UUID) -> None:
        token = session_token(moved)
        assert self.answers(moved, Client(), **{"X-Eye-Session-Token": token}) == {200}

    def test_the_page_that_captures_another(self, moved: UUID) -> None:
        token = session_token(uuid4())
        assert self.answers(moved, Client(), **{"X-Eye-Session-Token": token}) == {404}

    def test_no_forged_token(self, moved: UUID) -> None:
        token = session_token(moved)[:-1] + "_"
        assert self.answers(moved, Client(), **{"X-Eye-Session-Token": token}) == {401}

    def test_staff_with_permission(self, moved: UUID) -> None:
        analyst = User.objects.create_user("analyst", is_staff=True)
        client = Client()
        client.force_login(analyst)
        assert self.answers(moved, client) == {403}
        viewing = ("view_session", "view_event", "view_sessionreport")
        analyst.user_permissions.set(Permission.objects.filter(codename__in=viewing))
        assert self.answers(moved, client) == {200}

    def test_not_a_user_who_is_no_staff(self, moved: UUID) -> None:
        client = Client()
        client.force_login(User.objects.create_user("owner", is_superuser=True))
        assert self.answers(moved, client) == {403}


def test_a_page_may_ask_for_its_series_before_the_first_event(transactional_db: None) -> None:
    session = uuid4()
    headers = {"X-Eye-Session-Token": session_token(session)}
    answer = Client().get(f"/api/sessions/{session}/pointer", headers=headers).json()
    assert (answer["cursor"], answer["seconds"]) == (0, [])


class TestRecompute:
    def test_it_needs_more_than_the_pages_token(self, moved: UUID) -> None:
        headers = {"X-Eye-Session-Token": session_token(moved)}
        answer = Client().post(f"/api/sessions/{moved}/recompute", headers=headers)
        assert answer.status_code == 403

    def test_it_needs_a_session_of_ones_own(self, stranger: Sender, moved: UUID) -> None:
        answer = stranger.post(b"", f"/api/sessions/{moved}/recompute")
        assert answer.status_code == 404

    def test_staff_need_the_permission(self, moved: UUID) -> None:
        analyst = User.objects.create_user("analyst", is_staff=True)
        client = Client()
        client.force_login(analyst)
        url = f"/api/sessions/{moved}/recompute"
        assert client.post(url).status_code == 403
        permission = Permission.objects.get(codename="recompute_sessionreport")
        analyst.user_permissions.add(permission)
        assert client.post(url).status_code == 202

    def test_reading_it_is_refused(self, shop: Sender, moved: UUID) -> None:
        answer = shop.get(f"/api/sessions/{moved}/recompute")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_a_session_that_has_no_report_yet_says_so(shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    answer = shop.get(f"/api/sessions/{session}/report")
    assert answer.status_code == 404
    assert "being built" in answer.json()["error"]["message"]
    assert Session.objects.get().stale
    assert not SessionReport.objects.exists()


class TestTasks:
    def test_a_task_that_nobody_took_is_pending(self, shop: Sender) -> None:
        answer = shop.get(f"/api/tasks/{uuid4()}").json()
        assert (answer["state"], answer["result"], answer["error"]) == ("pending", None, None)

    def test_a_finished_task_tells_its_result_to_who_may_see_the_session(
        self, shop: Sender, stranger: Sender, moved: UUID
    ) -> None:
        task = recompute.apply(args=(str(moved),), task_id=str(uuid4()))
        recompute.backend.store_result(task.id, task.result, "SUCCESS")
        assert shop.get(f"/api/tasks/{task.id}").json()["result"]["session"] == str(moved)
        assert stranger.get(f"/api/tasks/{task.id}").status_code == 404

    def test_a_failed_task_tells_the_kind_of_its_error(self, shop: Sender) -> None:
        task = str(uuid4())
        recompute.backend.store_result(task, Session.DoesNotExist("secret"), "FAILURE")
        answer = shop.get(f"/api/tasks/{task}")
        assert (answer.json()["state"], answer.json()["error"]) == ("failure", "DoesNotExist")
        assert b"secret" not in answer.content
