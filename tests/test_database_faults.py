"""What clients see of a PostgreSQL that is frozen, killed, full, or only reads; and afterwards."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg2
import pytest
import pytest_django
from config import embedded
from config.identity import Identity
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tests.cast import event, sender
from tests.line import Answer, answered, head
from tests.processes import Process, children_of, free_port, run_web
from tests.waiting import until
from tracking.models import Batch

BODY = json.dumps(event(uuid4())).encode()
# What is promised is 3 s; the rest is for a busy machine.
IN_TIME = 6.0


@dataclass
class Postgres:
    """A PostgreSQL of this module's own, which may be mistreated."""

    hold: embedded.Hold
    host: str

    def connect(self, database: str) -> "psycopg2.extensions.connection":
        made = psycopg2.connect(dbname=database, user=embedded.USER, host=self.host)
        made.autocommit = True
        return made

    def run(self, statement: str) -> None:
        with contextlib.closing(self.connect(embedded.DATABASE)) as own, own.cursor() as cursor:
            cursor.execute(statement)

    @property
    def pid(self) -> int:
        return int(str(self.hold.status("postgres").get("pid", 0)))

    @property
    def keeper(self) -> int:
        return int(str(self.hold.status("postgres")["keeper"]))

    def end_connections(self) -> None:
        """And waits, up to five seconds for each, until it has ended."""
        others = "datname = 'test_eye' AND pid <> pg_backend_pid()"
        self.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        processes = [self.pid, *children_of(self.pid)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Killed with all its processes, and not started again for a while."""
        keeper, killed = self.keeper, self.pid
        os.kill(keeper, signal.SIGSTOP)
        # Left alone, a backend that is at work would go on for a moment.
        for pid in (killed, *children_of(killed)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            yield
        finally:
            os.kill(keeper, signal.SIGCONT)

    def restart(self) -> None:
        killed = self.pid
        os.kill(killed, signal.SIGINT)
        until(lambda: self.pid not in {0, killed} and self.hold.status("postgres").get("ready"))


@pytest.fixture(scope="module")
def postgres(
    django_db_blocker: pytest_django.DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Postgres]:
    """Django's own connection, here in the tests, leads to it as well."""
    folder = tmp_path_factory.mktemp("postgres")
    with embedded.hold(folder, ["postgres"], durable=False) as hold:
        own = Postgres(hold, str(embedded.postgres_socket_dir(folder)))
        own.run("CREATE DATABASE test_eye")
        usual = dict(connection.settings_dict)
        with django_db_blocker.unblock():
            connection.close()
            connection.settings_dict |= {
                "NAME": "test_eye",
                "USER": embedded.USER,
                "PASSWORD": "",
                "HOST": own.host,
                "PORT": "",
            }
            call_command("migrate", verbosity=0)
            yield own
            connection.close()
            connection.settings_dict |= usual


PGBOUNCER = """
[databases]
test_eye = host={host} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
query_wait_timeout = 2
server_login_retry = 1
logfile = {log}
"""


@contextlib.contextmanager
def pgbouncer(postgres: Postgres, folder: Path) -> Iterator[str]:
    """One in front of it; the URL that leads through."""
    binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    # Like PostgreSQL, it refuses to run as root.
    identity = Identity(namespace=os.geteuid() == 0)
    if not binary or not identity.can_run(binary, folder):
        pytest.skip("PgBouncer is not installed.")
    port, user, file = free_port(), embedded.USER, folder / "pgbouncer.ini"
    log = folder / "pgbouncer.log"
    file.write_text(PGBOUNCER.format(host=postgres.host, user=user, port=port, log=log))
    process = identity.popen([binary, "-q", str(file)])
    try:
        yield f"postgresql://{user}@127.0.0.1:{port}/test_eye"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=[False, True], ids=["directly", "behind PgBouncer"])
def pooled(request: pytest.FixtureRequest) -> bool:
    """Whether the web server's way to PostgreSQL leads through PgBouncer."""
    through: bool = request.param
    return through


@pytest.fixture(scope="module")
def web(pooled: bool, postgres: Postgres, logs: Path) -> Iterator[Process]:
    url = f"postgresql://{embedded.USER}@{quote(postgres.host, safe='')}/test_eye"
    with contextlib.ExitStack() as stack:
        if pooled:
            url = stack.enter_context(pgbouncer(postgres, logs))
        environ = {
            "DATABASE_URL": url,
            "EYE_PGBOUNCER": str(int(pooled)),
            "EYE_METRICS_TOKEN": "for the scraper alone",
        }
        yield stack.enter_context(run_web(logs / "web.log", **environ))


@dataclass(frozen=True)
class Requests:
    """One of each kind."""

    send: bytes
    reads: list[bytes]

    @property
    def all(self) -> list[bytes]:
        return [self.send, *self.reads]


@pytest.fixture(scope="module")
def requests(postgres: Postgres) -> Requests:
    key = f"Authorization: Bearer {sender('shop').key}"
    owner = Client()
    owner.force_login(User.objects.create_superuser("owner"))
    cookie = f"Cookie: sessionid={owner.cookies['sessionid'].value}"
    length = f"Content-Length: {len(BODY)}"
    return Requests(
        head("POST", "/api/events", key, "Content-Type: application/json", length) + BODY,
        [
            head("GET", "/api/events", key),
            head("GET", "/api/reports.csv", key),
            head("GET", "/readyz"),
            head("GET", "/admin/tracking/session/", cookie),
        ],
    )


def at_once(web: Process, requests: list[bytes]) -> list[Answer]:
    """The answers, none of which takes long."""
    started = time.monotonic()
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(partial(answered, web), requests))
    assert time.monotonic() - started < IN_TIME
    return answers


def come_back_later(answers: list[Answer]) -> bool:
    return all(
        answer.status == 503 and answer.code == "unavailable" and "Retry-After" in answer.headers
        for answer in answers
    )


def is_served(web: Process, requests: list[bytes]) -> bool:
    return all(answer.status in {200, 202} for answer in at_once(web, requests))


def is_alive(web: Process) -> bool:
    started = time.monotonic()
    status = answered(web, head("GET", "/healthz")).status
    return status == 200 and time.monotonic() - started < 1


@dataclass
class Load:
    """Clients that send one event after the other, and note what they were told."""

    web: Process
    request: bytes
    receipts: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    going: bool = True

    def send(self) -> None:
        while self.going:
            answer = answered(self.web, self.request)
            self.statuses.add(answer.status)
            if answer.status == 202:
                self.receipts.append(json.loads(answer.body)["receipt"])

    def is_taken(self) -> bool:
        """Whether something is accepted from now on."""
        before = len(self.receipts)
        return bool(until(lambda: len(self.receipts) > before))


@contextlib.contextmanager
def load(web: Process, requests: Requests) -> Iterator[Load]:
    """All that was accepted meanwhile is in the inbox, once, and nobody was told nonsense."""
    clients = Load(web, requests.send)
    with ThreadPoolExecutor(8) as pool:
        sending = [pool.submit(clients.send) for _ in range(8)]
        try:
            assert clients.is_taken()
            yield clients
            assert clients.is_taken()
        finally:
            clients.going = False
        assert not any(sent.exception() for sent in sending)
    connection.close()  # it may have died as well
    assert clients.statuses <= {202, 503}
    assert len(clients.receipts) == len(set(clients.receipts))
    assert Batch.objects.filter(receipt__in=clients.receipts).count() == len(clients.receipts)


def test_while_it_is_frozen_nobody_waits_for_long(
    web: Process, postgres: Postgres, requests: Requests
) -> None:
    assert is_served(web, requests.all)
    with load(web, requests):
        with postgres.frozen():
            assert is_alive(web)
            assert come_back_later(at_once(web, requests.all))
            assert come_back_later(at_once(web, requests.all))
            assert is_alive(web)
        until(lambda: is_served(web, requests.all), 15)


def is_there_without_it(web: Process) -> None:
    """What needs no PostgreSQL."""
    paths = ("/static/tracking/eye.js", "/docs/errors", "/api/schema", "/api/docs")
    scrape = head("GET", "/metrics", "Authorization: Bearer for the scraper alone")
    *pages, metrics = at_once(web, [*(head("GET", path) for path in paths), scrape])
    assert [page.status for page in pages] == [200] * len(paths)
    assert metrics.status == 200
    assert b"eye_database_up 0.0" in metrics.body
    assert b"eye_requests_total" in metrics.body


def test_what_needs_no_postgresql_is_there_without_it(
    web: Process, postgres: Postgres, requests: Requests
) -> None:
    assert is_served(web, requests.all)
    with postgres.frozen():
        is_there_without_it(web)
        assert come_back_later(at_once(web, requests.all))
        is_there_without_it(web)
    until(lambda: is_served(web, requests.all), 15)
    with postgres.away():
        is_there_without_it(web)
    until(lambda: is_served(web, requests.all), 15)


def test_while_it_is_away_nobody_waits_at_all(
    web: Process, postgres: Postgres, requests: Requests
) -> None:
    with load(web, requests):
        with postgres.away():
            assert come_back_later(at_once(web, requests.all))
            assert is_alive(web)
        until(lambda: is_served(web, requests.all), 15)


def is_served_again(web: Process, pooled: bool, requests: list[bytes]) -> bool:
    """At once; PgBouncer tries again after `server_login_retry` where it found nobody."""
    if pooled:
        until(lambda: is_served(web, requests), 5)
    return is_served(web, requests)


def test_after_a_quiet_restart_nobody_notices(
    web: Process, pooled: bool, postgres: Postgres, requests: Requests
) -> None:
    for _ in range(2):
        until(lambda: is_served(web, requests.all))
        connection.close()
        postgres.restart()
        assert is_served_again(web, pooled, requests.all)


def test_one_that_only_reads_is_read(
    web: Process, pooled: bool, postgres: Postgres, requests: Requests
) -> None:
    postgres.run("ALTER DATABASE test_eye SET default_transaction_read_only = on")
    postgres.end_connections()
    try:
        assert come_back_later(at_once(web, [requests.send]))
        assert is_served_again(web, pooled, requests.reads)
    finally:
        postgres.run("ALTER DATABASE test_eye RESET default_transaction_read_only")
        postgres.end_connections()
    assert is_served_again(web, pooled, requests.all)
    connection.close()


def test_one_that_takes_no_more_connections_takes_them_later(
    web: Process, pooled: bool, postgres: Postgres, requests: Requests
) -> None:
    postgres.end_connections()
    connection.close()
    with contextlib.ExitStack() as others:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                others.enter_context(contextlib.closing(postgres.connect(embedded.DATABASE)))
        assert come_back_later(at_once(web, requests.all))
        assert is_alive(web)
    assert is_served_again(web, pooled, requests.all)


@pytest.mark.parametrize(("table", "which"), [("tracking_batch", 0), ("tracking_event", 1)])
def test_what_is_our_mistake_is_in_the_log_under_the_id_that_the_client_was_told(
    web: Process, postgres: Postgres, requests: Requests, table: str, which: int
) -> None:
    with contextlib.closing(postgres.connect("test_eye")) as own, own.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
        try:
            answer = answered(web, requests.all[which])
        finally:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert f"(request {json.loads(answer.body)['request_id']})" in web.output()
    until(lambda: is_served(web, requests.all))


def test_a_slow_answer_is_not_taken_for_none(
    web: Process, postgres: Postgres, requests: Requests
) -> None:
    with contextlib.closing(postgres.connect("test_eye")) as own, own.cursor() as cursor:
        cursor.execute("BEGIN; LOCK tracking_event")
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(answered, web, requests.reads[0])
            time.sleep(2.5)
            assert not slow.done()
            assert is_served(web, [requests.send])
            cursor.execute("ROLLBACK")
            assert slow.result().status == 200
