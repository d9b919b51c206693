"""The way of an event through real processes, and what may die on it."""

import http.client
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from config import embedded
from django.db import connection
from django.db.models import Sum
from django_celery_results.models import TaskResult

from ledger.faults.broker import publish_junk
from reports.models import SessionReport
from tests.cast import at, event, path
from tests.processes import Process, run_sweeper, run_web, run_worker
from tests.waiting import until
from tracking.keys import create_key
from tracking.models import Batch, Event, Receipt, Session

pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Api:
    """A client on the wire."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
        """Status, decoded body, headers."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
                "Connection": "close",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, json.load(response), response.headers
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), error.headers

    def send(self, *events: Any) -> str:
        status, answer, _ = self.call("POST", "/api/events", list(events))
        assert status == 202, answer
        receipt: str = answer["receipt"]
        return receipt

    def get(self, path: str) -> Any:
        status, answer, _ = self.call("GET", path)
        assert status == 200, answer
        return answer


def api(web: Process) -> Api:
    return Api(web.url, create_key("flow", "secret").key)


def strokes(session: UUID, second: int) -> Any:
    t = [n * 16.0 for n in range(60)]
    return path(session, second, t, [float(n) for n in range(60)], [0.0] * 60)


def digested(receipts: list[str]) -> bool:
    return Receipt.objects.filter(pk__in=receipts).count() == len(receipts)


def adds_up(sent: int) -> None:
    """sent = stored + duplicate + rejected, and the tables agree with the receipts."""
    sums = Receipt.objects.aggregate(
        stored=Sum("stored"), duplicate=Sum("duplicate"), rejected=Sum("rejected")
    )
    assert sum(sums.values()) == sent, sums
    assert not Batch.objects.exists()
    assert Event.objects.count() == sums["stored"]
    assert Session.objects.aggregate(n=Sum("event_count"))["n"] == sums["stored"]


def test_what_is_sent_is_digested_reported_and_recomputed(web: Process, worker: Process) -> None:
    client, session = api(web), uuid4()
    receipt = client.send(strokes(session, 0), strokes(session, 1), event(session, category=""))
    answer = until(
        lambda: (a := client.get(f"/api/receipts/{receipt}"))["state"] == "digested" and a
    )
    assert (answer["stored"], answer["rejected"], answer["waiting"]) == (2, 1, 0)
    assert [error["code"] for error in answer["errors"]] == ["empty"]
    until(lambda: SessionReport.objects.filter(pk=session).exists())
    before = client.get(f"/api/sessions/{session}/report")
    assert before["samples"] == 120
    assert before["distance_px"] == 59 * 2 + 59  # and back to the start of the second stroke

    status, queued, _ = client.call("POST", f"/api/sessions/{session}/recompute")
    assert status == 202
    task = until(
        lambda: (a := client.get(f"/api/tasks/{queued['task']}"))["state"] == "success" and a
    )
    assert task["result"]["session"] == str(session)
    after = client.get(f"/api/sessions/{session}/report")
    assert after | {"computed_at": None} == before | {"computed_at": None}
    sums = until(lambda: (s := client.get("/api/rollups")["totals"])["events"] and s)
    assert (sums["samples"], sums["distance_px"]) == (120, before["distance_px"])


def test_without_a_broker_the_sweeper_digests(django_db_setup: None, logs: Path) -> None:
    nowhere = "redis://127.0.0.1:1/0"
    with (
        run_web(logs / "web-alone.log", CELERY_BROKER_URL=nowhere, CACHE_URL=nowhere) as web,
        run_sweeper(logs / "sweeper-alone.log", CELERY_BROKER_URL=nowhere, CACHE_URL=nowhere),
    ):
        client, session = api(web), uuid4()
        receipts = [client.send(event(session, timestamp=at(n))) for n in range(5)]
        until(lambda: digested(receipts))
        status, answer, headers = client.call("POST", f"/api/sessions/{session}/recompute")
        assert (status, answer["error"]["code"]) == (503, "unavailable")
        assert headers["Retry-After"]
    adds_up(5)


@pytest.fixture
def frozen_broker() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_frozen_broker_holds_up_nobody(
    django_db_setup: None, logs: Path, frozen_broker: str
) -> None:
    with (
        run_web(
            logs / "web-frozen.log", CELERY_BROKER_URL=frozen_broker, CACHE_URL=frozen_broker
        ) as web,
        run_sweeper(
            logs / "sweeper-frozen.log", CELERY_BROKER_URL=frozen_broker, CACHE_URL=frozen_broker
        ),
    ):
        client, session = api(web), uuid4()
        receipts = [client.send(event(session, timestamp=at(n))) for n in range(20)]
        until(lambda: digested(receipts))
    adds_up(20)


def test_without_a_database_the_answer_says_to_come_back(django_db_setup: None, logs: Path) -> None:
    nowhere = "postgresql://eye@127.0.0.1:1/eye"
    with run_web(logs / "web-without.log", DATABASE_URL=nowhere) as web:
        client = Api(web.url, "eye_sk_whatever")
        for method, path in (
            ("POST", "/api/events"),
            ("GET", f"/api/sessions/{uuid4()}"),
            ("GET", "/readyz"),
        ):
            body = event(uuid4()) if method == "POST" else None
            status, answer, headers = client.call(method, path, body)
            assert (status, answer["error"]["code"]) == (503, "unavailable")
            assert headers["Retry-After"]
        assert client.get("/healthz") == {"status": "alive"}


def end_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def unknown_tasks_are(count: int) -> bool:
    return TaskResult.objects.filter(result__contains="no.such.task").count() == count


def test_connections_that_were_ended_are_made_anew(web: Process) -> None:
    """The thread's too that looks up keys; each of these clients has a new one."""

    def is_accepted() -> bool:
        status, _, _ = api(web).call("POST", "/api/events", event(uuid4()))
        return status == 202

    until(is_accepted)
    end_connections()
    until(is_accepted)


def test_junk_in_the_queue_ends_no_worker(web: Process, worker: Process, sweeper: Process) -> None:
    """Nor when the connection on which it notes unknown tasks was ended in between."""
    client = api(web)
    before = worker.process
    for times in (1, 2):
        publish_junk()
        until(partial(unknown_tasks_are, times))
        end_connections()
    receipt = client.send(event(uuid4()))
    until(lambda: digested([receipt]))
    assert worker.running
    assert worker.process is before


def test_a_worker_that_is_killed_loses_nothing(web: Process, sweeper: Process, logs: Path) -> None:
    client, session = api(web), uuid4()
    receipts = []
    with run_worker(logs / "worker-killed.log") as worker:
        for second in range(40):
            receipts.append(client.send(strokes(session, second), event(session)))
            if second == 20:
                worker.kill()
            if second == 30:
                worker.start()
        until(lambda: digested(receipts))
        until(lambda: not Session.objects.get(pk=session).stale)
    adds_up(80)
    report = SessionReport.objects.get(pk=session)
    assert (report.samples, report.events) == (40 * 60, 41)


def test_worker_and_broker_killed_together_lose_nothing(
    django_db_setup: None, logs: Path, tmp_path: Path
) -> None:
    with embedded.hold(tmp_path, ["valkey"]) as hold:
        socket = f"{embedded.valkey_socket(tmp_path)}"
        broker = {
            "CELERY_BROKER_URL": f"redis+socket://{socket}?virtual_host=0",
            "CACHE_URL": f"unix://{socket}?db=1",
        }
        with (
            run_web(logs / "web-mortal.log", **broker) as web,
            run_worker(logs / "worker-mortal.log", **broker) as worker,
            run_sweeper(logs / "sweeper-mortal.log", **broker),
        ):
            client, session = api(web), uuid4()
            receipts = []
            for second in range(60):
                receipts.append(client.send(strokes(session, second), event(session)))
                if second == 20:
                    worker.kill()
                    os.kill(int(str(hold.status("valkey")["pid"])), signal.SIGKILL)
            until(lambda: digested(receipts))
            until(lambda: hold.status("valkey").get("ready"))
            worker.start()
            receipts.append(client.send(strokes(session, 60)))
            until(lambda: digested(receipts))
            until(lambda: not Session.objects.get(pk=session).stale)
    adds_up(121)
    assert SessionReport.objects.get(pk=session).samples == 61 * 60


def test_a_nudge_outlives_a_broker_that_was_away(
    django_db_setup: None, logs: Path, tmp_path: Path
) -> None:
    """No sweeper runs here: only the nudge can have brought the batch to the worker."""
    socket = f"{embedded.valkey_socket(tmp_path)}"
    broker = {
        "CELERY_BROKER_URL": f"redis+socket://{socket}?virtual_host=0",
        "CACHE_URL": f"unix://{socket}?db=1",
    }
    with run_web(logs / "web-early.log", **broker) as web:
        receipt = api(web).send(event(uuid4()))
        until(lambda: "took no nudge" in web.output())
        with (
            embedded.hold(tmp_path, ["valkey"]),
            run_worker(logs / "worker-late.log", **broker),
        ):
            until(lambda: digested([receipt]))
    adds_up(1)


def test_two_sweepers_and_a_worker_digest_each_batch_once(
    web: Process, worker: Process, sweeper: Process, logs: Path
) -> None:
    client = api(web)
    sessions = [uuid4() for _ in range(5)]
    with run_sweeper(logs / "another-sweeper.log"):
        receipts = [
            client.send(*[event(session, timestamp=at(n)) for session in sessions])
            for n in [*range(30), *range(30)]
        ]
        until(lambda: digested(receipts))
    adds_up(300)
    assert Event.objects.count() == 150


def test_a_body_that_comes_in_chunks_is_taken_whole(web: Process) -> None:
    client = api(web)
    body = json.dumps([event(uuid4(), data={"x": "y" * 50_000}) for _ in range(3)]).encode()
    status, answer = chunked(client, body)
    assert (status, answer["accepted"]) == (202, 3)
    assert bytes(Batch.objects.get().body) == body


def test_a_body_that_comes_in_chunks_is_limited(web: Process) -> None:
    # One byte over: of more, the rest would be sent into a connection that is closed by then.
    status, answer = chunked(api(web), b"[" + b" " * (5 * 1024 * 1024 - 1) + b"]")
    assert (status, answer["error"]["code"]) == (413, "too_large")


def chunked(client: Api, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    headers = {"Authorization": f"Bearer {client.key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/events", pieces, headers, encode_chunked=True)
    with connection.getresponse() as response:
        return response.status, json.load(response)


@pytest.mark.parametrize(
    "media_type",
    ["a; charset=hex", "application/json; charset=utf-7", "a; charset*=utf-8''a%00b"],
)
def test_a_charset_that_is_none_is_refused_in_our_shape(web: Process, media_type: str) -> None:
    client = api(web)
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"Bearer {client.key}", "Content-Type": media_type}
    connection.request("POST", "/api/events?a=b", b"{}", headers)
    with connection.getresponse() as response:
        answer = json.load(response)
    assert (response.status, answer["error"]["code"]) == (415, "unsupported_media_type")


def test_a_length_written_with_a_thousand_zeros_is_a_length(web: Process) -> None:
    client, body = api(web), json.dumps(event(uuid4())).encode()
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"Bearer {client.key}", "Content-Type": "application/json"}
    headers["Content-Length"] = f"{len(body):05000d}"
    connection.request("POST", "/api/events", body, headers)
    with connection.getresponse() as response:
        assert response.status in {202, 400}, response.read()
