"""What a client can do on a connection: wrong, slow, too much, or nothing at all."""

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID

import pytest

from tests.cast import event, sender
from tests.line import Answer, Line, answered, chunk, head, line
from tests.processes import Process
from tracking.models import Batch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lasting_db")]
BODY = json.dumps(event(UUID(int=1))).encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
JSON = "Content-Type: application/json"
CHUNKS = chunk(BODY) + chunk(b"")
HEALTH = head("GET", "/healthz")
# The patience of the server for a body and for a head, and as much again for a busy machine.
PATIENCE = 10.0
BOUND = 2 * PATIENCE
POST = "/api/events"
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


type Headers = tuple[str, ...]


@pytest.fixture(scope="module")
def sent(lasting_db: None) -> Headers:
    """The headers of a request to send an event with."""
    return f"Authorization: Bearer {sender('shop').key}", JSON


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    before = Batch.objects.count()
    yield
    assert Batch.objects.count() == before


def refused(answer: Answer | None, status: int, code: str) -> None:
    assert answer
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((LENGTH, "Content-Length: 3"), BODY, 400),
        ((f"{LENGTH}, {len(BODY)}",), BODY, 400),
        (("Content-Length: x",), BODY, 400),
        (("Content-Length: -1",), BODY, 400),
        (("Content-Length: +5",), BODY, 400),
        (("Content-Length: 1e3",), BODY, 400),
        (("Content-Length: 0x5",), BODY, 400),
        (("Content-Length:",), BODY, 400),
        (("Content-Length: " + "9" * 30,), BODY, 400),
        (("Transfer-Encoding: chunked, identity",), CHUNKS, 400),
        (("Transfer-Encoding: xchunked",), CHUNKS, 400),
        (("Transfer-Encoding : chunked",), CHUNKS, 400),
        ((CHUNKED,), b"xx\r\nabc\r\n0\r\n\r\n", 400),
        ((CHUNKED,), b"-1\r\nabc\r\n0\r\n\r\n", 400),
        ((CHUNKED,), b"f" * 20 + b"\r\nabc", 400),
        (("X: a\0b", LENGTH), BODY, 400),
        ((*("X: a",) * 120, LENGTH), BODY, 431),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_connection_closed(
    web: Process, sent: Headers, nothing_kept: None, headers: Headers, body: bytes, status: int
) -> None:
    with line(web) as client:
        answer = client.ask(head("POST", POST, *sent, *headers), body)
        assert answer
        assert answer.status == status
        assert client.is_closed()


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0" * 100,
        head("GET", "/healthz", "X: " + "a" * 1_000_000),
    ],
)
def test_what_is_no_head_of_a_request_is_answered_by_closing(web: Process, garbage: bytes) -> None:
    with line(web) as client:
        client.send(garbage)
        answer = client.answer()
        assert answer is None or answer.status in {400, 431}
        assert client.is_closed()


@pytest.mark.parametrize("path", [POST, "/api/sessions"])
@pytest.mark.parametrize(
    ("header", "body"), [(LENGTH, BODY[:-1]), (CHUNKED, chunk(BODY)), (CHUNKED, CHUNKS[:20])]
)
def test_a_body_that_is_cut_short_is_refused(
    web: Process, sent: Headers, nothing_kept: None, path: str, header: str, body: bytes
) -> None:
    with line(web) as client:
        client.send(head("POST", path, *sent, header), body)
        client.socket.shutdown(1)
        refused(client.answer(), 400, "bad_request")
        assert client.is_closed()


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing(
    web: Process, sent: Headers, nothing_kept: None
) -> None:
    for _ in range(20):
        with line(web) as client:
            client.send(head("POST", POST, *sent, LENGTH), BODY[:-1])
    with line(web) as client:
        refused(client.ask(head("POST", POST, *sent, LENGTH), b" " * len(BODY)), 400, "empty_body")


def test_no_second_request_hides_in_a_first(web: Process, sent: Headers) -> None:
    """With both, the chunks count; nothing that comes after them is taken for a request."""
    for length in (5, len(CHUNKS) + len(HEALTH)):
        with line(web) as client:
            both = head("POST", POST, *sent, CHUNKED, f"Content-Length: {length}")
            answer = client.ask(both, CHUNKS, HEALTH)
            assert answer
            assert answer.status == 202
            assert client.is_closed()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/healthz", ("X: " + "a" * 8_192,), 200),
        ("GET", "http://localhost/healthz", (), 200),
        ("GET", "//evil.example/", (), 404),
        ("GET", "/" + "a" * 50_000, (), 404),
        ("GET", "/" + "a" * 70_000, (), 414),
        ("GET", "/api/events/%00", (), 404),
        ("GET", "/api/%ff%fe", (), 404),
        ("GET", "/api/events?session=%00&category=%00", (), 400),
        ("GET", "/api/events?session=%ff%fe", (), 400),
        ("GET", "/api/events?" + "a=1&" * 1_500, (), 400),
        ("POST", "/api/events?" + "a=1&" * 1_500, (JSON, "Content-Length: 2"), 400),
        ("POST", "/api/events?sent_at=%ff", (JSON, "Content-Length: 2"), 400),
        ("POST", "/api/events?a=\xff", (JSON, "Content-Length: 2"), 400),
        ("POST", POST, ("Content-Type: a; charset=hex", "Content-Length: 2"), 415),
        ("POST", POST, ("Content-Type: a; charset*=utf-8''a%00b", "Content-Length: 2"), 415),
        ("POST", POST, ("Content-Type: \xff\xfe", "Content-Length: 2"), 415),
        ("NONSENSE", POST, (), 405),
        ("TRACE", POST, (), 405),
        ("OPTIONS", "*", (), 400),
        ("CONNECT", "localhost:80", (), 400),
    ],
)
def test_an_absurd_request_has_a_sober_answer(
    web: Process, sent: Headers, method: str, path: str, headers: Headers, status: int
) -> None:
    with line(web) as client:
        answer = client.ask(head(method, path, sent[0], *headers), b"{}"[: 2 * (method == "POST")])
        assert answer
        assert answer.status == status, answer.body
        assert "html" not in answer.headers.get("Content-Type", "")


def test_a_name_that_is_not_ours_is_refused_and_in_the_log(
    web: Process, sent: Headers, nothing_kept: None
) -> None:
    request = head("POST", POST, *sent, LENGTH, "Host: other.example") + BODY
    answer = answered(web, request)
    refused(answer, 400, "bad_request")
    assert "other.example" in web.output()
    assert f"(request {answer.headers['X-Request-ID']})" in web.output()


class TestOneConnection:
    """Whatever was refused, the next request on the connection is understood."""

    def test_of_several_requests_at_once_each_is_answered_in_its_turn(
        self, web: Process, sent: Headers
    ) -> None:
        good = head("POST", POST, *sent, LENGTH) + BODY
        bad = head("POST", POST, *sent, "Content-Length: 2") + b"[]"
        with line(web) as client:
            client.send(good, bad, HEALTH, good)
            answers = [client.answer() for _ in range(4)]
        assert [answer and answer.status for answer in answers] == [202, 400, 200, 202]

    @pytest.mark.parametrize(
        ("path", "key", "media_type", "size", "status"),
        [
            (POST, "", JSON, 100_000, 401),
            (POST, "Bearer eye_sk_wrong", JSON, 100_000, 401),
            (POST, "Bearer eye_sk_wrong", JSON, 6_000_000, 401),
            (POST, "{}", "Content-Type: image/png", 100_000, 415),
            (POST, "{}", JSON, 5 * 1024 * 1024 + 1, 413),
            (POST, "{}", JSON, 20_000_000, 413),
            ("/api/events/validate", "{}", JSON, 6_000_000, 413),
            ("/nowhere", "", JSON, 100_000, 404),
            ("/nowhere", "", JSON, 6_000_000, 413),
            ("/healthz", "", JSON, 6_000_000, 405),
        ],
    )
    @pytest.mark.parametrize("in_chunks", [False, True])
    def test_a_refused_body_is_not_taken_for_requests(
        self,
        web: Process,
        sent: Headers,
        path: str,
        key: str,
        media_type: str,
        size: int,
        status: int,
        in_chunks: bool,
    ) -> None:
        """All of it was sent before the answer is looked at, as simple clients do."""
        body = (HEALTH * (size // len(HEALTH) + 1))[:size]
        authorization = key.replace("{}", sent[0].partition(" ")[2])
        length = CHUNKED if in_chunks else f"Content-Length: {size}"
        headers = (f"Authorization: {authorization}", media_type, length)
        with line(web) as client:
            answer = client.ask(
                head("POST", path, *headers), chunk(body) + chunk(b"") if in_chunks else body
            )
            assert answer
            assert answer.status == status
            again = client.ask(HEALTH)
            assert again
            assert json.loads(again.body) == {"status": "alive"}

    def test_a_client_that_asks_first_need_not_send_what_is_refused(
        self, web: Process, sent: Headers
    ) -> None:
        asks = "Expect: 100-continue"
        with line(web) as client:
            go_on = client.ask(head("POST", POST, *sent, LENGTH, asks))
            answer = client.ask(BODY)
            assert go_on
            assert answer
            assert (go_on.status, answer.status) == (100, 202)
        for key, length, status in ((sent[0], 10**9, 413), ("Authorization: Bearer x", 9, 401)):
            with line(web) as client:
                answer = client.ask(
                    head("POST", POST, key, JSON, f"Content-Length: {length}", asks)
                )
                assert answer
                assert answer.status == status

    def test_an_old_client_is_served_as_well(self, web: Process, sent: Headers) -> None:
        with line(web) as client:
            answer = client.ask(head("POST", POST, *sent, LENGTH, version="1.0"), BODY)
            assert answer
            assert answer.status == 202
            assert client.is_closed()
        with line(web) as client:
            keep = "Connection: keep-alive"
            for _ in range(2):
                answer = client.ask(head("GET", "/healthz", keep, version="1.0"))
                assert answer
                assert answer.status == 200

    @pytest.mark.parametrize("path", ["/healthz", "/api/events", "/nowhere", "/api/reports.csv"])
    def test_an_answer_to_head_has_no_body(self, web: Process, sent: Headers, path: str) -> None:
        with line(web) as client:
            client.send(head("HEAD", path, sent[0]))
            first = client.answer(has_body=False)
            second = client.ask(HEALTH)
            assert first
            assert second
            assert second.status == 200


def others_are_served(web: Process, sent: Headers) -> None:
    """By each of the ways that a request may take through the server."""
    for request, status in (
        (head("POST", POST, *sent, LENGTH) + BODY, 202),
        (head("GET", POST, *sent), 200),
        (head("GET", "/admin/login/"), 200),
        (HEALTH, 200),
    ):
        assert answered(web, request, BOUND).status == status


class TestSlowClients:
    def test_a_crowd_that_stalls_is_ended_and_holds_up_nobody(
        self, web: Process, sent: Headers
    ) -> None:
        others_are_served(web, sent)
        before = web.megabytes()
        started = time.monotonic()
        with ExitStack() as open_lines:

            def crowd(number: int, *said: bytes) -> list[Line]:
                lines = [open_lines.enter_context(line(web, BOUND)) for _ in range(number)]
                for each in lines:
                    each.send(*said)
                return lines

            # None of these reads what it asked for, so that not all of it can be sent.
            crowd(10, *[head("GET", LARGE_FILE)] * 5)
            silent = [
                *crowd(400),
                *crowd(50, HEALTH[:-10]),
                *crowd(50, head("POST", POST, *sent)[:-10]),
            ]
            idle = [
                *crowd(100, HEALTH),
                *crowd(20, head("POST", POST, JSON, "Content-Length: 900000"), b" " * 1_000),
            ]
            announced = head("POST", POST, *sent, "Content-Length: 900000")
            in_body = [
                *crowd(40, announced, b" " * 500_000),
                *crowd(20, head("POST", POST, *sent, CHUNKED), chunk(b"[" * 1_000), b"5\r\nab"),
                *crowd(20, head("POST", "/api/sessions", *sent, "Content-Length: 9")),
                *(dripping := crowd(20, announced)),
            ]
            for _ in range(5):
                others_are_served(web, sent)
                for each in dripping:
                    each.send(b" ")
                time.sleep(1)
            assert web.megabytes() - before < 150
            for each in in_body:
                refused(each.answer(), 408, "too_slow")
            assert all(each.answer() for each in idle)
            assert all(each.is_closed() for each in [*silent, *idle])
        assert time.monotonic() - started < BOUND
        others_are_served(web, sent)

    def test_a_body_without_end_is_refused_at_the_limit(
        self, web: Process, sent: Headers, nothing_kept: None
    ) -> None:
        before = web.megabytes()
        with line(web) as client:
            client.send(head("POST", POST, *sent, CHUNKED))
            client.send(*[chunk(b" " * 100_000)] * 1_000)
            refused(client.answer(), 413, "too_large")
            assert client.is_closed()
        assert web.megabytes() - before < 50

    @pytest.mark.parametrize("gibibytes", [4, 10])
    def test_a_body_that_unfolds_to_gibibytes_is_refused_at_the_limit(
        self, web: Process, sent: Headers, nothing_kept: None, gibibytes: int
    ) -> None:
        before = web.megabytes()
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        start, *same = (
            packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
        )
        body = start + b"".join(same) * (gibibytes * 1024 - 1)
        headers = (*sent, f"Content-Length: {len(body)}", "Content-Encoding: gzip")
        refused(answered(web, head("POST", POST, *headers) + body), 413, "too_large")
        assert web.megabytes() - before < 50
