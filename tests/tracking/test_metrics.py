"""GET /metrics: what Prometheus reads, and who may read it."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from config import children, scoreboard
from django.contrib.auth.models import Permission, User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tests.cast import Sender, event
from tests.line import head, line
from tests.processes import Process, answers, environment, free_port, run, run_web
from tests.waiting import until
from tracking import throttle
from tracking.digest import digest_until_empty
from tracking.models import Application

TOKEN = "for the scraper alone"
type Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    settings.EYE_METRICS_TOKEN = TOKEN
    throttle.forget()


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(path: str = "/metrics") -> Samples:
    response = Client().get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    return parsed(response.content.decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


@pytest.mark.django_db(transaction=True)
class TestWhoMayRead:
    def status(self, client: Client, **headers: str) -> int:
        response = client.get("/metrics", headers=headers)
        if response.status_code != 200:
            assert set(response.json()) == {"error", "request_id"}
        return response.status_code

    def test_the_token_opens_it_with_and_without_a_slash(self) -> None:
        for path in ("/metrics", "/metrics/"):
            assert value(scraped(path), "eye_database_up") == 1

    @pytest.mark.parametrize(
        "authorization", ["Bearer wrong", "Bearer", f"Basic {TOKEN}", f"Token {TOKEN}", TOKEN]
    )
    def test_nothing_else_does(self, authorization: str) -> None:
        assert self.status(Client(), Authorization=authorization) == 401

    def test_without_a_token_set_none_opens_it(self, settings: Settings) -> None:
        settings.EYE_METRICS_TOKEN = ""
        assert self.status(Client(), Authorization="Bearer ") == 401

    def test_a_key_of_an_application_does_not(self, shop: Sender) -> None:
        assert shop.get("/metrics").status_code == 401

    def test_nobody_does_not(self) -> None:
        assert self.status(Client()) == 401

    @pytest.mark.parametrize(
        ("staff", "permission", "status"),
        [(True, "view_receipt", 200), (True, "view_event", 403), (False, "view_receipt", 403)],
    )
    def test_staff_who_see_receipts_may(self, staff: bool, permission: str, status: int) -> None:
        user = User.objects.create_user("somebody", is_staff=staff)
        user.user_permissions.set(Permission.objects.filter(codename=permission))
        client = Client()
        client.force_login(user)
        assert self.status(client) == status

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_it_is_only_read(self, method: str) -> None:
        response = Client().generic(
            method, "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


class TestFigures:
    def test_the_inbox(self, shop: Sender, session: UUID) -> None:
        bodies = [json.dumps([event(session)] * 3), json.dumps(event(session))]
        for body in bodies:
            shop.post(body)
        seen = scraped()
        assert value(seen, "eye_inbox_batches") == 2
        assert value(seen, "eye_inbox_events") == 4
        assert value(seen, "eye_inbox_bytes") == len("".join(bodies))
        assert 0 < value(seen, "eye_inbox_oldest_seconds") < 60

    def test_what_became_of_it_and_what_waits_for_a_report(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.post([event(session), event(session), event(session, category="")])
        digest_until_empty()
        seen = scraped()
        assert value(seen, "eye_inbox_batches") == value(seen, "eye_inbox_oldest_seconds") == 0
        outcomes = ("stored", "duplicate", "rejected")
        assert [value(seen, f"eye_last_minute_{each}_events") for each in outcomes] == [1, 1, 1]
        assert value(seen, "eye_stale_sessions") == 1
        assert value(seen, "eye_set_aside_batches") == 0

    def test_requests_by_route_method_and_status(self, shop: Sender, session: UUID) -> None:
        before = scraped()
        for path in ("/api/events", "/api/events/", "/events", "/events/"):
            shop.post(event(session), path)
        shop.get(f"/api/sessions/{session}")
        shop.get(f"/sessions/{session}/")
        Client().get("/nowhere/at/all")
        Client().generic("NONSENSE", "/healthz")
        after = scraped()

        def more(name: str, **labels: str) -> float:
            return value(after, name, **labels) - value(before, name, **labels)

        requests = "eye_requests_total"
        assert more(requests, route="/events", method="POST", status="202") == 4
        assert more(requests, route="/sessions/<id:id>", method="GET", status="404") == 2
        assert more(requests, route="none", method="GET", status="404") == 1
        assert more(requests, route="/healthz", method="other", status="405") == 1
        assert more("eye_request_seconds_count", route="/events") == 4
        assert more("eye_request_seconds_bucket", route="/events", le="10.0") == 4
        assert 0 < more("eye_request_seconds_sum", route="/events") < 10
        assert more("eye_accepted_events_total", kind="secret") == 4

    def test_clients_cannot_make_up_labels(self, shop: Sender) -> None:
        scraped()
        before = len(scraped())
        for number in range(20):
            Client().get(f"/admin/nowhere/{number}/", headers={"Host": "localhost"})
            Client().get(f"/made-up/{number}")
            Client().generic(f"MADEUP{number}", "/healthz")
        assert len(scraped()) < before + 60

    def test_throttled_requests_by_kind(
        self, shop: Sender, shop_pages: Sender, session: UUID
    ) -> None:
        Application.objects.update(secret_events_per_minute=1, publishable_events_per_minute=1)
        before = scraped()
        for sender in (shop, shop_pages, shop_pages):
            sender.post([event(session)] * 2)
        after = scraped()
        for kind, times in (("secret", 1), ("publishable", 2)):
            name = "eye_throttled_requests_total"
            assert value(after, name, kind=kind) - value(before, name, kind=kind) == times


@pytest.fixture
def two_workers(shop: Sender, tmp_path: Path) -> Iterator[Process]:
    """One server with two worker processes, as in production."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = children.web("127.0.0.1", port)
    argv[argv.index("--workers") + 1] = "2"
    env = environment(EYE_METRICS_TOKEN=TOKEN, TMPDIR=str(tmp_path))
    log = tmp_path / "web.log"
    with run(Process("web", argv, env, log, lambda _: answers(url), url)) as web:
        yield web


def scraped_from(url: str) -> Samples:
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return parsed(response.read().decode())


def test_any_worker_tells_what_all_have_counted(two_workers: Process, tmp_path: Path) -> None:
    def get() -> bool:
        """A new connection each time, so that now one worker answers and now the other."""
        with urllib.request.urlopen(f"{two_workers.url}/healthz") as response:
            return bool(response.status == 200)

    def busy() -> int:
        return len(list(tmp_path.glob("eye-metrics-*/counter_*.db")))

    asked = 0
    while busy() < 2 or asked < 40:
        assert get()
        asked += 1
        assert asked < 2_000, "one worker answered all requests"
    alive = {"route": "/healthz", "method": "GET", "status": "200"}
    for _ in range(6):
        assert value(scraped_from(two_workers.url), "eye_requests_total", **alive) == asked


def test_without_its_database_the_process_still_tells_what_it_counted(
    shop: Sender, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    env = environment(EYE_METRICS_TOKEN=TOKEN, TMPDIR=str(tmp_path), DATABASE_URL=nowhere)
    argv = children.web("127.0.0.1", port)
    with run(Process("web", argv, env, tmp_path / "web.log", lambda _: answers(url + "/healthz"))):
        seen = scraped_from(url)
        assert value(seen, "eye_database_up") == 0
        with pytest.raises(urllib.error.HTTPError, match="413"):
            urllib.request.urlopen(f"{url}/admin/", bytes(6_000_000))
        refused_early = {"route": "none", "method": "POST", "status": "413"}
        assert value(scraped_from(url), "eye_requests_total", **refused_early) == 1
        assert value(seen, "eye_requests_total", route="/healthz", method="GET", status="200") >= 1
        assert not any(name.startswith("eye_inbox") for name, _ in seen)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/metrics")
        assert refused.value.code == 401


def test_a_request_takes_from_its_head_to_its_answer(shop: Sender, tmp_path: Path) -> None:
    """On the event loop, and in a thread."""
    body = json.dumps(event(UUID(int=1))).encode()
    headers = (f"Authorization: Bearer {shop.key}", "Content-Type: application/json")
    asks = (f"Content-Length: {len(body)}", "Expect: 100-continue")
    with run_web(tmp_path / "web.log", EYE_METRICS_TOKEN=TOKEN, TMPDIR=str(tmp_path)) as web:
        for route, status in (("/events", 202), ("/events/validate", 200)):
            with line(web) as client:
                go_on = client.ask(head("POST", f"/api{route}", *headers, *asks))
                time.sleep(0.5)
                answer = client.ask(body)
            assert go_on
            assert answer
            assert (go_on.status, answer.status) == (100, status)
            seen = scraped_from(web.url)
            assert value(seen, "eye_request_seconds_sum", route=route) >= 0.5


class TestScoreboard:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def share(self) -> Path:
        environ: dict[str, str] = {}
        scoreboard.share(environ)
        return Path(environ[scoreboard.VARIABLE])

    def test_siblings_share_a_folder_that_is_theirs_alone(self, tmp_path: Path) -> None:
        folder = self.share()
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        assert self.share() == folder

    def test_a_folder_that_was_chosen_is_made_and_used(self, tmp_path: Path) -> None:
        chosen = tmp_path / "chosen" / "folder"
        environ = {scoreboard.VARIABLE: str(chosen)}
        scoreboard.share(environ)
        assert environ == {scoreboard.VARIABLE: str(chosen)}
        assert chosen.is_dir()

    def test_one_that_cannot_be_had_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        environ = {scoreboard.VARIABLE: str(tmp_path / "file" / "folder")}
        scoreboard.share(environ)
        assert environ == {}

    def test_a_folder_open_to_others_is_not_used(self) -> None:
        self.share().chmod(0o777)
        environ: dict[str, str] = {}
        scoreboard.share(environ)
        assert environ == {}

    def test_what_parents_have_left_that_ended_is_removed(self) -> None:
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        mine = self.share()
        left = mine.with_name(re.sub(r"\d+$", str(gone.pid), mine.name))
        left.mkdir()
        (left / "counter_1.db").touch()
        self.share()
        assert until(lambda: not left.exists())
        assert mine.exists()
