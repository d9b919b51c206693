"""A client that says on a socket what no HTTP library would say."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from tests.processes import Process


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """The code of a refusal; nothing where the server refuses before it is our turn."""
        return str(json.loads(self.body)["error"]["code"]) if self.body else ""


class Line:
    """One connection, on which little is taken unread."""

    def __init__(self, web: Process, seconds: float) -> None:
        address = urlsplit(web.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self.socket.settimeout(seconds)
        self.socket.connect((address.hostname, address.port))
        self.file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """As much as the server takes; it may have seen enough before it has seen all."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(b"".join(parts))

    def ask(self, *parts: bytes) -> Answer | None:
        self.send(*parts)
        return self.answer()

    def answer(self, has_body: bool = True) -> Answer | None:
        """The next answer; None where the server closes the connection without any."""
        with contextlib.suppress(ConnectionError):
            if words := self.file.readline().split(maxsplit=2):
                headers = http.client.parse_headers(self.file)
                return Answer(int(words[1]), headers, self._body(headers) if has_body else b"")
        return None

    def _body(self, headers: Message) -> bytes:
        if "Content-Length" in headers:
            return self.file.read(int(headers["Content-Length"]))
        if "Transfer-Encoding" in headers:
            return b"".join(self.chunks())
        return b""

    def chunks(self) -> Iterator[bytes]:
        """Raises `ConnectionError` where the last one does not come."""
        while (line := self.file.readline()) != b"0\r\n":
            if not line:
                raise ConnectionError("The answer breaks off.")
            yield self.file.read(int(line, 16))
            self.file.readline()
        self.file.readline()

    def is_closed(self) -> bool:
        """Waits for it."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


@contextlib.contextmanager
def line(web: Process, seconds: float = 20) -> Iterator[Line]:
    opened = Line(web, seconds)
    try:
        yield opened
    finally:
        opened.file.close()
        opened.socket.close()


def answered(web: Process, request: bytes, seconds: float = 20) -> Answer:
    """The answer to a request that is alone on its connection."""
    with line(web, seconds) as client:
        answer = client.ask(request)
    assert answer
    return answer


def head(method: str, path: str, *headers: str, version: str = "1.1") -> bytes:
    host = [] if any(each.startswith("Host:") for each in headers) else ["Host: localhost"]
    lines = [f"{method} {path} HTTP/{version}", *host, *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
