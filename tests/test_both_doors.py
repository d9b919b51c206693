"""Events come in by two doors: the server's event loop, and Django for servers of other kinds.

Each request here goes to a real server and to Django, and is answered the same.
"""

import gzip
import json
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.test import Client
from django.utils.timezone import now

from tests.cast import at, event, sender
from tests.line import head, line
from tests.processes import Process
from tests.tracking.test_public_requests import SENT
from tracking.models import ApiKey, Application, Batch
from tracking.wire import MAX_EVENT_BYTES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("lasting_db")]

EVENT = event(UUID(int=1))
ONE = json.dumps(EVENT).encode()
MiB = 1024 * 1024
SHOP = "https://shop.example"
# What an answer tells beside its body; of the others it only matters that they are there.
SAME = (
    "Content-Type",
    "WWW-Authenticate",
    "Allow",
    "X-Content-Type-Options",
    *(CORS := ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")),
)
THERE = ("Retry-After", "X-Request-ID")
KEPT = ("application_id", "key_id", "encoding", "n_events", "size", "sent_at", "body")


@dataclass(frozen=True)
class Keys:
    shop: str
    pages: str
    small: str
    revoked: str
    expired: str


@pytest.fixture(scope="module")
def keys(lasting_db: None) -> Keys:
    made = Keys(
        shop=sender("shop").key,
        pages=sender("shop", "publishable", (SHOP,)).key,
        small=sender("small").key,
        revoked=sender("revoked").key,
        expired=sender("expired").key,
    )
    Application.objects.filter(name="small").update(secret_events_per_minute=1)
    of = ApiKey.objects.filter
    of(application__name="revoked").update(revoked_at=now())
    of(application__name="expired").update(expires_at=now() - timedelta(seconds=1))
    return made


def of_size(size: int) -> bytes:
    """Events of together so many bytes."""
    events = [EVENT | {"data": {"x": "y" * 50_000}}] * (size // 51_000)
    body = json.dumps(events).encode()
    return body[:-1] + b" " * (size - len(body)) + b"]"


def bare(value: str) -> bytes:
    """An event with this for a value, in JSON as it is written here."""
    return ONE.replace(b'"chat bubble"', value.encode())


def nested(depth: int) -> bytes:
    return bare("[" * (depth - 2) + "]" * (depth - 2))


@dataclass(frozen=True)
class Asked:
    """A request, and the status that both doors answer."""

    status: int
    body: bytes = ONE
    key: str = "Bearer {shop}"
    path: str = "/api/events"
    method: str = "POST"
    type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.path[:40]}"


def packed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0)


def from_page(origin: str, **more: Any) -> Asked:
    return Asked(**{"key": "Bearer {pages}", "headers": (("Origin", origin),), **more})


def encoded(encoding: str, body: bytes, status: int) -> Asked:
    return Asked(status, body, headers=(("Content-Encoding", encoding),))


PACKED = packed(ONE)
ANSWERED = [
    *(
        Asked(asked.status, json.dumps(asked.body).encode(), f"{asked.scheme} {{shop}}", asked.path)
        for asked in SENT
        if "events" in asked.path
    ),
    # keys
    Asked(202, key="bearer {shop}"),
    Asked(202, key="Token  {shop} "),
    Asked(202, key="Bearer {pages}"),
    Asked(202, key="", headers=(("X-Eye-Key", "{pages}"),)),
    Asked(202, key="", path="/api/events?key={pages}", type="text/plain"),
    Asked(202, key="", path="/events/?sent_at=x&key={pages}", type="text/plain;charset=UTF-8"),
    Asked(401, key="", path="/api/events?key={shop}"),
    Asked(401, key=""),
    Asked(401, key="Bearer"),
    Asked(401, key="Basic {shop}"),
    Asked(401, key="Bearer eye_sk_wrong"),
    Asked(401, key="Bearer eye_sk_wr\xf6ng"),
    Asked(401, key="Bearer {revoked}"),
    Asked(401, key="Bearer {expired}"),
    Asked(401, b"[", key="Bearer eye_pk_wrong"),
    # origins
    from_page(SHOP, status=202),
    from_page(SHOP, status=400, body=b"[]"),
    from_page(SHOP, status=415, type="image/png"),
    from_page(SHOP, status=413, body=of_size(MiB + 1)),
    from_page(SHOP, status=401, key="Bearer eye_pk_wrong"),
    *(
        from_page(origin, status=403)
        for origin in (f"{SHOP}.evil.com", f"{SHOP}:8443", "http://shop.example", "null", "x" * 999)
    ),
    from_page(SHOP, status=403, key="Bearer {shop}"),
    from_page("http://localhost", status=403, key="Bearer {shop}"),
    # size
    Asked(413, json.dumps([EVENT] * 1_001).encode()),
    Asked(202, json.dumps([EVENT] * 1_000).encode()),
    Asked(413, bare(f'"{"y" * (MAX_EVENT_BYTES - len(ONE) + 12)}"')),
    Asked(202, bare(f'"{"y" * (MAX_EVENT_BYTES - len(ONE) + 11)}"')),
    Asked(202, of_size(5 * MiB)),
    Asked(413, of_size(5 * MiB + 1)),
    Asked(413, b" " * (5 * MiB + 1)),
    Asked(202, of_size(MiB), key="Bearer {pages}"),
    Asked(413, of_size(MiB + 1), key="Bearer {pages}"),
    encoded("gzip", packed(of_size(5 * MiB)), 202),
    encoded("gzip", packed(of_size(5 * MiB + 1)), 413),
    # encoding
    encoded("gzip", PACKED, 202),
    encoded(" GZIP ", PACKED, 202),
    encoded("identity", ONE, 202),
    encoded("gzip", PACKED[:-1], 400),
    encoded("gzip", PACKED + b"x", 400),
    encoded("gzip", PACKED[:20] + b"xxxx" + PACKED[24:], 400),
    encoded("gzip", ONE, 400),
    encoded("gzip", b"", 400),
    Asked(400, PACKED),
    encoded("br", ONE, 415),
    encoded("deflate", ONE, 415),
    encoded("gzip, gzip", PACKED, 415),
    Asked(400, ONE.decode().encode("utf-16")),
    Asked(400, ONE.decode().encode("utf-32-be")),
    Asked(400, b"\xef\xbb\xbf" + ONE),
    Asked(400, ONE.replace(b"chat", b"\xff\xfe")),
    Asked(400, ONE.replace(b"chat", b"\xed\xa0\x80")),
    Asked(415, type="application/json; charset=utf-16"),
    Asked(415, type="application/json; charset=utf-7"),
    Asked(415, type="application/json; charset=nonsense"),
    Asked(202, type='application/json; charset="UTF-8"'),
    Asked(202, type="application/vnd.shop+json"),
    Asked(202, type=""),
    Asked(415, type="text/plain"),
    Asked(415, type="text/html"),
    Asked(415, type="application/x-www-form-urlencoded"),
    Asked(415, type="multipart/form-data; boundary=x"),
    # JSON
    *(
        Asked(400, body)
        for body in (
            *(b"", b" \n", b"[]", b"{}", b"5", b"null", b'"x"', b"true", b"{", b"[", b"nonsense"),
            *(ONE + b"x", ONE + ONE, b"[%b,]" % ONE, b"[%b" % ONE, ONE[:-1], ONE[1:], b"'" + ONE),
            *(
                nested(33),
                nested(2_000),
                b"[" * 100_000,
                b'{"a":' * 100_000,
                b"[" + nested(32) + b"]",
            ),
            *(bare("NaN"), bare("Infinity"), bare("-Infinity"), bare("1e400"), bare("-1e400")),
            *(bare("01"), bare("1."), bare(".5"), bare("+1"), bare("0x10"), bare("1_000")),
            *(bare('"\t"'), bare('"\\x"'), bare('"\\u12"'), bare("'x'"), bare("x"), bare("1 // x")),
        )
    ),
    *(
        Asked(202, body)
        for body in (
            *(nested(32), b" " + ONE + b"\n", b"[1]", b'[{"no": "event"}]', b'{"a": 1}'),
            *(
                bare('"\\u0000"'),
                bare('"\\ud800"'),
                bare('"\\ud83d\\ude00"'),
                bare('{"\\u0000": 1}'),
            ),
            *(bare("1e308"), bare("1e-400"), bare("18446744073709551616"), bare("9" * 400)),
            *(b"[" + bare('"\\udfff"') + b"," + ONE + b"]", b"[" + b"[]," * 999 + b"[]]"),
        )
    ),
    # limits
    Asked(429, b"[" + ONE + b"," + ONE + b"]", key="Bearer {small}"),
    # addresses
    Asked(202, path=f"/api/events?sent_at={quote(at(0))}"),
    Asked(202, path="/api/events?sent_at=yesterday"),
    Asked(202, path="/api/events?sent_at=%ff%00"),
    Asked(202, path="/events?unknown=1"),
    Asked(400, path="/api/events?" + "a=1&" * 1_001),
    Asked(400, headers=(("Host", "evil.example"),)),
    Asked(400, headers=(("Host", "local_host:80:80"),)),
    # other routes and methods, for which there is one door behind the server
    Asked(405, method="PUT"),
    Asked(401, method="DELETE", key=""),
    Asked(404, path="/api/event"),
    Asked(404, path="/api/events//"),
    Asked(404, path="/nowhere"),
    Asked(200, path="/api/events/validate"),
    Asked(400, b"[", path="/api/events/validate"),
    Asked(413, of_size(5 * MiB + 1), path="/api/events/validate"),
    Asked(400, b"[1]", path=f"/api/sessions/{UUID(int=1)}/pointer"),
    Asked(401, path="/api/sessions", key=""),
    Asked(400, b"[]", path="/api/sessions"),
    Asked(200, b"", path="/healthz", method="GET"),
    Asked(404, b"", path="/healthz/x", method="GET"),
]


@dataclass(frozen=True)
class Told:
    """What can be compared of an answer."""

    status: int
    headers: dict[str, str | None]
    there: set[str]
    body: Any
    receipt: str


def told(status: int, headers: Any, body: bytes) -> Told:
    said = json.loads(body)
    if "request_id" in said:
        assert said.pop("request_id") == headers["X-Request-ID"]
    return Told(
        status,
        {name: headers.get(name) for name in SAME},
        {name for name in THERE if name in headers},
        said,
        said.pop("receipt", ""),
    )


def by_server(web: Process, asked: Asked, headers: dict[str, str]) -> Told:
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    request = head(asked.method, asked.path, *lines, f"Content-Length: {len(asked.body)}")
    with line(web) as client:
        answer = client.ask(request, asked.body)
    assert answer
    return told(answer.status, answer.headers, answer.body)


def by_django(asked: Asked, headers: dict[str, str]) -> Told:
    client = Client(headers=headers, raise_request_exception=False)
    answer = client.generic(asked.method, asked.path, asked.body, asked.type)
    return told(answer.status_code, answer, answer.content)


def kept(receipt: str) -> dict[str, Any]:
    row: dict[str, Any] = Batch.objects.values(*KEPT).get(receipt=receipt)
    return row | {"body": bytes(row["body"])}


@pytest.mark.parametrize("asked", ANSWERED, ids=str)
def test_both_doors_answer_alike(web: Process, keys: Keys, asked: Asked) -> None:
    plain = {"Host": "localhost", "Authorization": asked.key, **dict(asked.headers)}
    asked = replace(asked, path=asked.path.format(**asdict(keys)))
    headers = {name: value.format(**asdict(keys)) for name, value in plain.items()}
    one = by_server(web, asked, {**headers, "Content-Type": asked.type})
    other = by_django(asked, headers)
    if one.status == 403:  # Django asks the database first whether the page may read why
        assert one.headers["Access-Control-Allow-Origin"] == headers["Origin"]
        other = replace(other, headers=other.headers | {name: one.headers[name] for name in CORS})
    assert one == replace(other, receipt=one.receipt)
    assert one.status == asked.status, one
    if one.status == 202:
        assert kept(one.receipt) == kept(other.receipt)
