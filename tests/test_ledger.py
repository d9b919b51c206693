"""The ledger can only prove something if it can fail: each kind of damage must be seen."""

import http.client
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from bench.machine import machine
from ledger import pids
from ledger.author import Author, Body, Key
from ledger.injector import Injected
from ledger.journal import NO_ANSWER, Journal, expected
from ledger.outcome import Outcome
from ledger.proxy import standing_before
from ledger.reconcile import Reconciled, reconcile
from reports.builder import build_stale
from reports.rollup import roll_up
from tests.cast import Sender
from tests.waiting import until
from tracking import event_types
from tracking.digest import digest_until_empty
from tracking.models import Batch

BODIES = 12
FIRST = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


@dataclass
class Books:
    """A journal, and the service that it is about."""

    journal: Journal
    senders: dict[int, Sender]
    author: Author

    def send(self, body: Body, status: int | None = None) -> None:
        """What the journal holds of the answer is the truth, or a `status` without a receipt."""
        events = expected(body, event_types.current())
        number = self.journal.sends(events)
        headers = {"Content-Encoding": "gzip"} if body.packed else {}
        answer = self.senders[body.key.application_id].post(body.raw(), headers=headers)
        assert answer.status_code == 202, answer.content
        receipt = UUID(answer.json()["receipt"]) if status is None else None
        told = answer.status_code if status is None else status
        self.journal.was_answered(number, told, receipt, len(events))

    def balance(self) -> Reconciled:
        return reconcile(self.journal)


def settle() -> None:
    while Batch.objects.exists():
        digest_until_empty()
    build_stale()
    roll_up()


def author_for(*senders: Sender, seed: str = "test", number: int = 1) -> Author:
    keys = [Key(sender.key, sender.application_id) for sender in senders]
    return Author(seed, number, keys, FIRST)


@pytest.fixture
def books(shop: Sender, stranger: Sender, tmp_path: Path) -> Books:
    """Some bodies were sent, one of them twice, and digested."""
    senders = {sender.application_id: sender for sender in (shop, stranger)}
    books = Books(Journal(tmp_path), senders, author_for(shop, stranger))
    bodies = [books.author.body() for _ in range(BODIES)]
    for body in [*bodies, bodies[0]]:
        books.send(body)
    settle()
    return books


def kinds(found: Reconciled) -> set[str]:
    return {finding.check.kind for finding in found.findings}


def test_what_nobody_damaged_balances(books: Books) -> None:
    found = books.balance()
    assert found.findings == []
    assert found.totals["answers_202"] == BODIES + 1
    assert found.totals["accepted_events"] == (
        found.totals["stored"] + found.totals["duplicate"] + found.totals["rejected"]
    )
    assert min(found.totals["stored"], found.totals["duplicate"], found.totals["rejected"]) > 0


AN_EVENT = "(SELECT min(id::text)::uuid FROM tracking_event)"
A_SESSION = "(SELECT min(id::text)::uuid FROM tracking_session WHERE event_count > 0)"
A_RECEIPT = "(SELECT id FROM tracking_receipt WHERE stored > 0 AND duplicate > 0 LIMIT 1)"
A_REJECTED = "(SELECT min(id::text)::uuid FROM tracking_rejectedevent)"
AN_ERROR = "(SELECT min(id) FROM tracking_eventerror)"

A_GROUP = "(SELECT min(id::text)::uuid FROM tracking_errorgroup)"
A_ROLLUP = "(SELECT min(id) FROM reports_rollup WHERE {} > 0)"

DAMAGE = [
    ("lost", f"DELETE FROM tracking_event WHERE id = {AN_EVENT}"),
    ("lost", f"DELETE FROM tracking_receipt WHERE id = {A_RECEIPT}"),
    (
        "lost",
        f"DELETE FROM tracking_eventerror WHERE event_id = {A_REJECTED};"
        f"DELETE FROM tracking_rejectedevent WHERE id = {A_REJECTED}",
    ),
    (
        "doubled",
        "ALTER TABLE tracking_event DROP CONSTRAINT tracking_event_pkey;"
        f"INSERT INTO tracking_event SELECT * FROM tracking_event WHERE id = {AN_EVENT}",
    ),
    (
        "phantom",
        "INSERT INTO tracking_event (id, application_id, session_id, category, name, data,"
        " \"timestamp\", received_at) SELECT '00000000-0000-8000-8000-000000000001', application_id,"
        ' session_id, category, name, data, "timestamp", received_at'
        f" FROM tracking_event WHERE id = {AN_EVENT}",
    ),
    ("phantom", f'UPDATE tracking_event SET data = \'{{"mark": "x"}}\' WHERE id = {AN_EVENT}'),
    (
        "phantom",
        f"UPDATE tracking_event SET session_id = gen_random_uuid() WHERE id = {AN_EVENT}",
    ),
    (
        "phantom",
        "INSERT INTO tracking_rejectedevent (id, application_id, payload, received_at)"
        " SELECT gen_random_uuid(), application_id, payload, received_at"
        f" FROM tracking_rejectedevent WHERE id = {A_REJECTED}",
    ),
    (
        "phantom",
        "INSERT INTO tracking_receipt (id, application_id, state, received_at, digested_at, events,"
        " stored, duplicate, rejected) SELECT gen_random_uuid(), application_id, state, received_at,"
        f" digested_at, duplicate, 0, duplicate, 0 FROM tracking_receipt WHERE id = {A_RECEIPT}",
    ),
    ("wrong", f"UPDATE tracking_session SET event_count = event_count + 1 WHERE id = {A_SESSION}"),
    ("wrong", f"UPDATE tracking_session SET error_count = error_count - 1 WHERE id = {A_SESSION}"),
    ("wrong", f"UPDATE tracking_session SET first_at = NULL WHERE id = {A_SESSION}"),
    ("wrong", f"UPDATE tracking_session SET revision = revision + 1 WHERE id = {A_SESSION}"),
    ("wrong", f"DELETE FROM reports_sessionreport WHERE session_id = {A_SESSION}"),
    (
        "wrong",
        f"UPDATE reports_sessionreport SET events = events - 1 WHERE session_id = {A_SESSION}",
    ),
    (
        "wrong",
        "UPDATE tracking_receipt SET stored = stored + 1, duplicate = duplicate - 1"
        f" WHERE id = {A_RECEIPT}",
    ),
    (
        "wrong",
        "UPDATE tracking_receipt SET events = events + 1, duplicate = duplicate + 1"
        f" WHERE id = {A_RECEIPT}",
    ),
    ("wrong", f"DELETE FROM tracking_eventerror WHERE id = {AN_ERROR}"),
    (
        "wrong",
        "INSERT INTO tracking_eventerror (application_id, receipt_id, position, session_id, category,"
        " name, field, code, message, value, event_id, created_at) SELECT application_id, receipt_id,"
        " position, session_id, category, name, field, 'again', message, value, event_id, created_at"
        f" FROM tracking_eventerror WHERE id = {AN_ERROR}",
    ),
    (
        "wrong",
        "INSERT INTO tracking_setasidebatch (receipt, application_id, received_at, encoding,"
        " n_events, size, attempts, body, reason, set_aside_at) SELECT id, application_id,"
        " received_at, '', events, 1, 8, 'x', '', now() FROM tracking_receipt"
        f" WHERE id = {A_RECEIPT}",
    ),
    *(
        (
            "wrong",
            f"UPDATE reports_rollup SET {column} = {column} + 1{also}"
            f" WHERE id = {A_ROLLUP.format(column)}",
        )
        for column, also in (
            ("sent", ""),
            ("duplicate", ", stored = stored - 1"),
            ("rejected", ", stored = stored - 1"),
            ("events", ""),
            ("sessions_started", ""),
            ("sessions_ended", ""),
        )
    ),
    ("wrong", f"DELETE FROM reports_rollup WHERE id = {A_ROLLUP.format('events')}"),
    ("wrong", f"UPDATE tracking_errorgroup SET errors = errors + 1 WHERE id = {A_GROUP}"),
    ("wrong", f"UPDATE tracking_errorgroup SET resolved = resolved + 1 WHERE id = {A_GROUP}"),
    (
        "wrong",
        "UPDATE reports_rollup SET errors = jsonb_set(errors, '{wrong_type}', '1000')"
        " WHERE application_id IS NULL AND step = 'day' AND rejected > 0",
    ),
    (
        "wrong",
        'UPDATE reports_rollup SET kinds = kinds || \'{"shop": {"never sent": 1}}\''
        " WHERE application_id IS NULL AND step = 'day' AND stored > 0",
    ),
]


@pytest.mark.parametrize(("kind", "statements"), DAMAGE)
def test_damage_is_seen(books: Books, kind: str, statements: str) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statements)
        found = books.balance()
        transaction.set_rollback(True)
    assert kind in kinds(found)
    assert found.count(kind) > 0
    assert all(finding.examples for finding in found.findings)


def test_what_waits_is_not_lost_and_not_done(books: Books) -> None:
    books.send(books.author.single())
    assert kinds(books.balance()) == {"wrong"}


def test_what_got_no_answer_may_be_stored_or_not(books: Books) -> None:
    books.send(books.author.single(), status=NO_ANSWER)
    settle()
    gone = expected(books.author.single(), event_types.current())
    number = books.journal.sends(gone)
    books.journal.was_answered(number, NO_ANSWER, None, len(gone))
    assert books.balance().findings == []


def test_what_was_refused_must_not_be_stored(books: Books) -> None:
    books.send(books.author.single(), status=429)
    settle()
    assert kinds(books.balance()) == {"phantom"}


def test_an_answer_that_no_client_should_get_is_told(books: Books) -> None:
    books.send(books.author.single(), status=500)
    settle()
    assert kinds(books.balance()) == {"wrong"}


def test_two_events_under_one_id_are_seen(books: Books) -> None:
    """Were ids made badly, the tables alone would look right: one event, one duplicate."""
    single = books.author.single()
    (event,) = expected(single, event_types.current())
    books.send(single)
    settle()
    other = type(event)(event.id, event.application_id, event.session_id, "other", 0)
    books.journal.was_answered(books.journal.sends([other]), NO_ANSWER, None, 1)
    assert "lost" in kinds(books.balance())


def test_one_event_under_two_ids_is_seen(books: Books) -> None:
    (event,) = expected(books.author.single(), event_types.current())
    books.journal.sends([event])
    books.journal.sends([type(event)(uuid4(), event.application_id, None, event.mark, 0)])
    assert kinds(books.balance()) == {"doubled"}


class TestAuthor:
    def test_the_same_seed_writes_the_same(self, shop: Sender) -> None:
        mine, again = author_for(shop), author_for(shop)
        assert [mine.body() for _ in range(50)] == [again.body() for _ in range(50)]
        assert mine.body() != author_for(shop, seed="other").body()

    def test_authors_of_one_seed_share_sessions_and_nothing_else(self, shop: Sender) -> None:
        marks, sessions = [], []
        for number in (1, 2):
            author = author_for(shop, number=number)
            bodies = [author.body() for _ in range(30)]
            events = [e for body in bodies for e in expected(body, event_types.current())]
            marks.append({event.mark for event in events})
            sessions.append({event.session_id for event in events} - {None})
        assert not marks[0] & marks[1]
        assert sessions[0] & sessions[1]

    def test_it_does_all_that_clients_do(self, shop: Sender) -> None:
        author = author_for(shop)
        bodies = [author.body() for _ in range(200)]
        texts = [event.text for body in bodies for event in body.events]
        assert {body.packed for body in bodies} == {True, False}
        assert {event.right for body in bodies for event in body.events} == {True, False}
        assert len({len(body.events) for body in bodies}) > 10
        assert len(set(texts)) < len(texts)
        assert len({id(body) for body in bodies}) < len(bodies)
        assert any(b'"twisted"' in text for text in texts)


@contextmanager
def a_server() -> Iterator[ThreadingHTTPServer]:
    """Takes note of each request, then answers it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.server.seen.append(  # type: ignore[attr-defined]
                self.rfile.read(int(self.headers["Content-Length"]))
            )
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.seen = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_proxy_that_cuts_lets_the_request_through_and_no_answer() -> None:
    with a_server() as server, standing_before([server.server_port]) as (proxy,):
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        for body in (b"1", b"2"):
            client.request("POST", "/", body)
            client.getresponse().read()
        proxy.cuts = True
        client.request("POST", "/", b"3")
        with pytest.raises((http.client.HTTPException, OSError)):
            client.getresponse()
        client.close()
        proxy.cuts = False
        client.request("POST", "/", b"4")
        client.getresponse().read()
        assert server.seen == [b"1", b"2", b"3", b"4"]  # type: ignore[attr-defined]
        assert proxy.cut == 1


def test_a_process_is_found_with_all_its_descendants() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true'; true"]) as root:
        try:
            tree = until(lambda: len(found := pids.tree(root.pid)) == 3 and found)
        finally:
            for pid in pids.tree(root.pid):
                subprocess.run(["kill", "-9", str(pid)], check=True)
    assert tree
    assert tree[0] == root.pid


def test_a_fault_without_recovery_is_no_success(books: Books) -> None:
    found = books.balance()
    recovered = Injected("web process killed", 0.0, 0.0, 1.5)
    never = Injected("web process killed", 9.0, 0.0, None)
    good = Outcome(machine(), "seed", 1.0, [recovered], {"disk full": "no disk"}, True, found)
    bad = Outcome(machine(), "seed", 1.0, [recovered, never], {}, True, found)
    assert (good.good, bad.good) == (True, False)
    assert "1.50 s" in good.text()
    assert "disk full: no disk" in good.text()
    assert "over 30 s" in bad.text()
    assert not Outcome(machine(), "seed", 1.0, [recovered], {}, False, found).good
