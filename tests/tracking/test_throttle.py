"""How many events a key may send in a minute: exactly, in all processes, and with nothing to ask."""

import contextlib
import json
import os
import re
import signal
import socketserver
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from config import embedded
from django.conf import settings
from django.core.cache import cache
from pytest_django import Settings
from redis import Redis

from tests.cast import Sender, event
from tests.processes import Process, free_port, run, run_web
from tests.waiting import until
from tracking import keys, throttle
from tracking.api.errors import ApiError
from tracking.keys import Caller
from tracking.models import Application, Batch

NOON = 1_800_000_000.0 // 60 * 60
CALLER = Caller(
    key_id=1,
    application_id=1,
    publishable=False,
    origins=frozenset(),
    expires_at=None,
    events_per_minute=10,
)
NEIGHBOUR = replace(CALLER, key_id=2)


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    throttle.forget()
    yield
    throttle.forget()


@pytest.fixture(params=["shared", "own"])
def counting(request: pytest.FixtureRequest, settings: Settings) -> str:
    """With the cache's server, and without any."""
    settings.EYE_SHARED_CACHE = request.param == "shared"
    return str(request.param)


@pytest.fixture
def server() -> Iterator[Any]:
    """The server that counts, asked behind our backs."""
    with Redis.from_url(settings.CACHES["default"]["LOCATION"]) as client:
        yield client


def questions(server: Any) -> int:
    """How often it was asked to count."""
    return int(server.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"])


def refusal(events: int = 1, caller: Caller = CALLER, moment: float = NOON) -> ApiError:
    with pytest.raises(ApiError) as refused:
        throttle.take(caller, events, moment)
    assert refused.value.code == "too_many_requests"
    return refused.value


class TestTake:
    def test_a_key_may_send_up_to_its_limit_in_a_minute(self, counting: str) -> None:
        for events in (4, 6):
            throttle.take(CALLER, events, NOON)
        refusal()
        throttle.take(CALLER, 10, NOON + 60)

    def test_what_does_not_fit_is_not_counted(self, counting: str) -> None:
        throttle.take(CALLER, 8, NOON)
        refusal(3)
        throttle.take(CALLER, 2, NOON)

    def test_another_key_is_not_affected(self, counting: str) -> None:
        throttle.take(CALLER, 10, NOON)
        refusal()
        throttle.take(NEIGHBOUR, 10, NOON)

    def test_a_request_larger_than_the_limit_is_told_so(self, counting: str) -> None:
        assert "send smaller ones" in refusal(11).message
        throttle.take(CALLER, 10, NOON)

    @pytest.mark.parametrize(("second", "left"), [(0.0, 60), (59.5, 1), (12.3, 48)])
    def test_it_says_when_the_minute_is_over_or_a_little_later(
        self, second: float, left: int
    ) -> None:
        throttle.take(CALLER, 10, NOON)
        told = {refusal(moment=NOON + second).retry_after or 0 for _ in range(50)}
        assert min(told) >= left
        assert max(told) <= left + throttle.JITTER_SECONDS
        assert len(told) > 1

    def test_a_limit_that_is_raised_counts_at_once(self, counting: str) -> None:
        throttle.take(CALLER, 10, NOON)
        throttle.take(replace(CALLER, events_per_minute=12), 2, NOON)

    def test_threads_count_no_event_twice_and_none_too_few(self, counting: str) -> None:
        def took(_: int) -> bool:
            with contextlib.suppress(ApiError):
                throttle.take(replace(CALLER, events_per_minute=100), 3, NOON)
                return True
            return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(took, range(60))) == 33

    def test_what_is_known_not_to_fit_is_refused_without_asking(self, server: Any) -> None:
        throttle.take(CALLER, 8, NOON)
        asked = questions(server)
        refusal(3)
        assert throttle.take_all([(CALLER, 5)] * 20, NOON).count(None) == 0
        assert questions(server) == asked
        throttle.take(CALLER, 2, NOON)
        assert questions(server) == asked + 1

    def test_who_is_refused_alone_is_asked_for_once(self, server: Any) -> None:
        throttle.take(CALLER, 8, NOON)
        throttle.forget()  # as another process counted it
        asked = questions(server)
        refusal(3)
        assert questions(server) == asked + 1

    def test_a_count_does_not_stay_in_the_cache(self, server: Any) -> None:
        throttle.take(CALLER, 1, NOON)
        (key,) = server.keys("eye:events:*")
        assert 0 < server.ttl(key) <= throttle.COUNT_LIVES_SECONDS

    def test_a_server_that_forgets_the_count_is_told_it(self, server: Any) -> None:
        throttle.take(CALLER, 6, NOON)
        server.flushdb()
        refusal(5)
        throttle.take(CALLER, 4, NOON)
        (key,) = server.keys("eye:events:*")
        assert server.get(key) == b"10"
        assert 0 < server.ttl(key) <= throttle.COUNT_LIVES_SECONDS

    def test_a_server_that_closes_idle_connections_is_asked_anew(
        self, server: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        throttle.take(CALLER, 1, NOON)
        server.client_kill_filter(_type="normal", skipme=True)
        throttle.take(CALLER, 2, NOON)
        (key,) = server.keys("eye:events:*")
        assert server.get(key) == b"3"
        assert not caplog.records


class TestCheck:
    def test_a_key_that_is_known_to_be_spent_is_refused_without_asking(self, server: Any) -> None:
        throttle.check(CALLER, NOON)
        throttle.take(CALLER, 10, NOON)
        server.flushdb()
        with pytest.raises(ApiError):
            throttle.check(CALLER, NOON)
        throttle.check(CALLER, NOON + 60)
        throttle.check(NEIGHBOUR, NOON)

    def test_one_that_has_a_little_left_is_not(self) -> None:
        throttle.take(CALLER, 9, NOON)
        refusal(2)
        throttle.check(CALLER, NOON)


def test_only_the_keys_of_this_minute_are_remembered() -> None:
    here = throttle.Here()
    for minute in range(3):
        for key in range(500):
            here.note((key, minute), 1)
    assert len(here.counts) == 500


class TestRoute:
    @pytest.fixture(autouse=True)
    def shortened(self, shop: Sender, shop_pages: Sender) -> None:
        Application.objects.update(secret_events_per_minute=5, publishable_events_per_minute=2)

    def test_it_answers_429_and_keeps_nothing(self, shop: Sender, session: UUID) -> None:
        assert shop.post([event(session)] * 5).status_code == 202
        response = shop.post(event(session))
        assert response.status_code == 429
        assert response.json()["error"]["code"] == "too_many_requests"
        assert 1 <= int(response["Retry-After"]) <= 60 + throttle.JITTER_SECONDS
        assert Batch.objects.count() == 1

    def test_each_kind_of_key_has_its_limit(
        self, shop: Sender, shop_pages: Sender, session: UUID
    ) -> None:
        assert shop_pages.post([event(session)] * 2).status_code == 202
        assert shop_pages.post(event(session)).status_code == 429
        assert shop.post([event(session)] * 5).status_code == 202

    def test_a_forged_address_changes_nothing(self, shop: Sender, session: UUID) -> None:
        shop.post([event(session)] * 5)
        for number in range(3):
            headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            assert shop.post(event(session), headers=headers).status_code == 429

    def test_a_spent_key_is_refused_before_its_body_is_read(
        self, shop: Sender, session: UUID
    ) -> None:
        shop.post([event(session)] * 5)
        assert shop.post(b"{" * 100).status_code == 429

    def test_what_is_no_event_is_not_counted(self, shop: Sender, session: UUID) -> None:
        for body in (b"{", b"[]", b"5"):
            assert shop.post(body).status_code == 400
        assert shop.post([event(session)] * 5).status_code == 202

    def test_a_page_can_read_that_it_is_throttled(self, shop_pages: Sender, session: UUID) -> None:
        headers = {"Origin": "https://shop.example"}
        shop_pages.post([event(session)] * 2, headers=headers)
        response = shop_pages.post(event(session), headers=headers)
        assert response.status_code == 429
        assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Process]:
    """A Valkey of the test's own, to be killed and frozen; `valkey.url` is its address."""
    port = free_port()
    argv = [embedded.binary("valkey", os.environ), "--port", str(port), "--save", ""]
    url = f"redis://127.0.0.1:{port}/0"

    def answers(process: Process) -> bool:
        with contextlib.suppress(OSError), Redis.from_url(url) as client:
            return re.search("Ready to accept", process.output()) is not None and client.ping()
        return False

    with run(
        Process("valkey", argv, dict(os.environ), tmp_path / "valkey.log", answers, url)
    ) as own:
        yield own


def post(web: Process, key: str, session: UUID, events: int = 1) -> tuple[int, float]:
    """The status of a real request, and how long it took."""
    body = json.dumps([event(session)] * events).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{web.url}/api/events", body, headers)
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.monotonic() - started


def in_one_minute[T](do: Callable[[], T]) -> T:
    """What it gives when a minute did not end meanwhile; it is done again if one did."""
    while True:
        minute = time.time() // 60
        done = do()
        if time.time() // 60 == minute:
            return done


@pytest.fixture
def two_webs(shop: Sender, valkey: Process, tmp_path: Path) -> Iterator[list[Process]]:
    more = {"CACHE_URL": valkey.url}
    with (
        run_web(tmp_path / "one.log", **more) as one,
        run_web(tmp_path / "two.log", **more) as two,
    ):
        yield [one, two]


@pytest.mark.flow
class TestProcesses:
    def test_two_share_one_limit_exactly(
        self, shop: Sender, session: UUID, two_webs: list[Process]
    ) -> None:
        Application.objects.update(secret_events_per_minute=100)

        def flood() -> list[int]:
            key = keys.create_key("shop", "secret").key
            Batch.objects.all().delete()
            with ThreadPoolExecutor(8) as pool:
                sent = pool.map(lambda n: post(two_webs[n % 2], key, session, 3), range(60))
                statuses = [status for status, _ in sent]
            return statuses + [post(web, key, session)[0] for web in two_webs]

        *flooded, one_more, too_many = in_one_minute(flood)
        assert (flooded.count(202), flooded.count(429)) == (33, 27)
        assert (one_more, too_many) == (202, 429)
        assert sum(Batch.objects.values_list("n_events", flat=True)) == 100

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
    def test_without_the_cache_each_counts_its_own_and_nobody_waits(
        self,
        shop: Sender,
        session: UUID,
        two_webs: list[Process],
        valkey: Process,
        how: signal.Signals,
    ) -> None:
        Application.objects.update(secret_events_per_minute=20)
        for web in two_webs:
            assert post(web, shop.key, session)[0] == 202
        valkey.signal(how)

        def flood(web: Process) -> list[int]:
            return [post(web, shop.key, session, 10)[0] for _ in range(3)]

        for web in two_webs:
            took = [post(web, shop.key, session) for _ in range(15)]
            assert {status for status, _ in took} == {202}
            assert sum(seconds for _, seconds in took[1:]) < 14 * throttle.ANSWER_SECONDS
            assert in_one_minute(partial(flood, web))[-1] == 429

    def test_the_count_is_shared_again_when_the_cache_is_back(
        self, shop: Sender, session: UUID, valkey: Process
    ) -> None:
        shared = throttle.Shared(valkey.url)
        assert shared.add((1, 1), 1, 10) == (True, 1)
        valkey.kill()
        assert shared.add((1, 1), 1, 10) is None
        valkey.start()
        assert shared.add((1, 1), 1, 10) is None, "it is left alone for a while"
        until(lambda: not shared.away)
        assert shared.add((1, 1), 1, 10) == (True, 1)
        assert shared.add((1, 1), 1, 10) == (True, 2)


@contextlib.contextmanager
def speaking(*answers: bytes) -> Iterator[str]:
    """A server with one answer to all that is said on a connection, or none at all; its URL.

    The last answer is that of all later connections as well.
    """
    connections = chain(answers, repeat(answers[-1]))

    class Speaker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer = next(connections)
            while answer and (said := self.request.recv(10_000)):
                self.request.sendall(answer * said.count(b"*"))

    with socketserver.TCPServer(("127.0.0.1", 0), Speaker) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            serving.join()


def test_a_cache_that_talked_nonsense_is_asked_again() -> None:
    hello = b"%1\r\n$5\r\nproto\r\n:3\r\n"
    with speaking(b"", b":nonsense\r\n", hello) as url:
        shared = throttle.Shared(url)
        assert shared.add((1, 1), 1, 10) is None
        until(lambda: not shared.away)
