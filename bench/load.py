"""The load generator: a process of its own, as lean as Python allows, the same for every server.

    answers = load.send(Order(port, key, connections=16, seconds=5))

Requests are made beforehand and go out over connections that stay open: each as soon as one is
free, or, with a rate, at its time. Then an answer's time counts from when its request was due, so
that a server that stalls is charged for all that it keeps waiting.
"""

import contextlib
import gc
import json
import re
import select
import socket
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from time import perf_counter, sleep

from bench import events
from bench.figures import percentile
from bench.script import Script

POOL = 20_000
LEAST_POOL = 16
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
# Whoever waits for the start shall know it before it comes.
HEAD_START_SECONDS = 0.05
# A server that says nothing for so long has failed.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: ends after so many seconds or requests, whichever comes first."""

    port: int
    key: str
    connections: int = 16
    # Events in a request.
    size: int = 1
    seconds: float = 3600.0
    requests: int | None = None
    # Requests a second; 0 is one as soon as the one before is answered.
    rate: float = 0.0
    # Of the session ids: another one gives other events.
    seed: int = 1


@dataclass(frozen=True)
class Answers:
    """How long each answer took, in ms; the rest by time.perf_counter(), which all processes share."""

    times: list[float]
    began: float
    ended: float

    @property
    def rate(self) -> float:
        return len(self.times) / (self.ended - self.began)

    @cached_property
    def p50(self) -> float:
        return percentile(self.times, 0.5)

    @cached_property
    def p95(self) -> float:
        return percentile(self.times, 0.95)

    @cached_property
    def p99(self) -> float:
        return percentile(self.times, 0.99)


class Sending:
    """The process at work. `start` is when its first request is due."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.script = Script("bench.load", json.dumps(asdict(order)))
        self.start = float(self.script.line())

    def due(self, n: int) -> float:
        return self.start + n / self.order.rate

    def answers(self) -> Answers:
        """When all is answered."""
        return Answers(**json.loads(self.script.line()))


@contextlib.contextmanager
def sending(order: Order) -> Iterator[Sending]:
    """Meanwhile, the block runs."""
    process = Sending(order)
    try:
        yield process
    finally:
        process.script.end()


def send(order: Order) -> Answers:
    """Raises `RuntimeError` if any answer is not a 202."""
    with sending(order) as process:
        return process.answers()


# --- In the process -------------------------------------------------------------------------


class Generator:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.requests = requests(order)
        self.sockets = [connect(order.port) for _ in range(order.connections)]
        # In turn: the server closes a connection that is idle for ten seconds.
        self.free = deque(self.sockets)
        self.since: dict[socket.socket, float] = {}
        self.parts: dict[socket.socket, bytes] = {}
        self.times: list[float] = []
        self.sent = 0

    def run(self) -> Answers:
        gc.disable()
        self.start = perf_counter() + HEAD_START_SECONDS
        self.ends = self.start + self.order.seconds
        print(self.start, flush=True)
        sleep(HEAD_START_SECONDS)
        while self.since or not self.over():
            self.receive(self.send_due())
        return Answers(self.times, self.start, perf_counter())

    def over(self) -> bool:
        return self.sent == self.order.requests or perf_counter() >= self.ends

    def send_due(self) -> float:
        """Sends on what is free; after how many seconds the next one is due."""
        while self.free and not self.over():
            now, due = perf_counter(), self.due(self.sent)
            if due > now:
                return due - now
            connection = self.free.popleft()
            self.since[connection] = due or now
            connection.sendall(self.requests[self.sent % len(self.requests)])
            self.sent += 1
        return PATIENCE_SECONDS

    def due(self, n: int) -> float:
        return self.start + n / self.order.rate if self.order.rate else 0.0

    def receive(self, seconds: float) -> None:
        # Not epoll, which knows no time shorter than a millisecond.
        readable, _, _ = select.select(self.sockets, (), (), seconds)
        now = perf_counter()
        if not readable and seconds >= PATIENCE_SECONDS:
            raise RuntimeError(f"No answer came within {seconds:.0f} s.")
        for connection in readable:
            answer = self.parts.pop(connection, b"") + connection.recv(65_536)
            if not complete(answer):
                self.parts[connection] = answer
                continue
            if answer[9:12] != b"202":
                raise RuntimeError(f"Not accepted: {answer.decode(errors='replace')}")
            self.times.append((now - self.since.pop(connection)) * 1000)
            self.free.append(connection)


def requests(order: Order) -> list[bytes]:
    count = order.requests or max(LEAST_POOL, POOL // order.size)
    return [
        b"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
        % (order.key.encode(), len(body), body)
        for body in events.bodies(count, order.size, order.seed)
    ]


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def complete(answer: bytes) -> bool:
    if not answer:
        raise RuntimeError("The server closed a connection.")
    head, end, body = answer.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if length:
        return bool(end) and len(body) >= int(length[1])
    return bool(end) and body.endswith(b"0\r\n\r\n")


if __name__ == "__main__":
    print(json.dumps(asdict(Generator(Order(**json.loads(sys.argv[1]))).run())))
