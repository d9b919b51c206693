"""What the scenarios send: events of every kind, in sessions of twenty, no two alike."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import UUID

type Maker = Callable[[int, int, datetime], dict[str, Any]]

PER_SESSION = 20
# One in so many of the wrong ones breaks its type's schema.
WRONG_ONE_IN = 20

# An application's own type, beside the built-in ones.
OWN_CATEGORY, OWN_NAME = "shop", "order placed"
OWN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["order", "total", "currency", "items"],
    "properties": {
        "order": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{6,12}$"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku", "count"],
                "properties": {
                    "sku": {"type": "string", "maxLength": 40},
                    "count": {"type": "integer", "minimum": 1},
                },
            },
        },
    },
}


def session(seed: object, number: int) -> UUID:
    """As random as those that pages make, and known beforehand."""
    text = f"{seed} {number}".encode()
    return UUID(bytes=md5(text, usedforsecurity=False).digest(), version=4)


def page(n: int) -> dict[str, Any]:
    return {
        "host": "shop.example",
        "path": f"/products/{n % 997}/reviews",
        "url": f"https://shop.example/products/{n % 997}/reviews?page={n % 7}",
        "title": f"Reviews of product {n % 997}",
        "referrer": "https://search.example/?q=reviews",
        "n": n,
    }


def cta_click(n: int) -> dict[str, Any]:
    return {**page(n), "element": "buy now"}


def submit(n: int) -> dict[str, Any]:
    form = {"name": "newsletter", "fields": 4, "seconds": n % 60, "valid": True, "step": "address"}
    return {"host": "shop.example", "path": "/newsletter", "title": "News", "form": form, "n": n}


def point(n: int) -> dict[str, Any]:
    return {"x": n % 1400, "y": n * 7 % 900, **page(n)}


def path(n: int) -> dict[str, Any]:
    samples = range(14)
    return {
        "t": [16 * i for i in samples],
        "x": [(n + 9 * i) % 1400 for i in samples],
        "y": [(n + 5 * i) % 900 for i in samples],
        "page": {"path": f"/products/{n % 997}"},
        "n": n,
    }


def order(n: int) -> dict[str, Any]:
    items = [{"sku": f"book-{n % 97}-{i}", "count": i + 1} for i in range(3)]
    shop = {"currency": "EUR", "items": items, "voucher": None, "shipping": "standard, two days"}
    return {"order": f"EU-{n:08}", "total": n % 10_000 / 100, **shop, "n": n}


KINDS = (
    ("page interaction", "pageview", page),
    ("page interaction", "cta click", cta_click),
    ("form interaction", "submit", submit),
    ("pointer", "move", point),
    ("pointer", "path", path),
    ("pointer", "click", point),
    (OWN_CATEGORY, OWN_NAME, order),
)


def event(n: int, seed: int, start: datetime) -> dict[str, Any]:
    """The n-th event: a millisecond after the one before. Its `data` holds n."""
    category, name, data = KINDS[n % len(KINDS)]
    return {
        "session_id": str(session(seed, n // PER_SESSION)),
        "category": category,
        "name": name,
        "data": data(n),
        "timestamp": (start + timedelta(milliseconds=n)).isoformat(),
    }


def wrong(n: int, seed: int, start: datetime) -> dict[str, Any]:
    """The same, and one in `WRONG_ONE_IN` is refused: it is an order without its items."""
    sent = event(n, seed, start)
    if n % WRONG_ONE_IN:
        return sent
    return {**sent, "category": OWN_CATEGORY, "name": OWN_NAME, "data": {"order": "none", "n": n}}


def some_time_ago() -> datetime:
    """Recent enough not to be late, with room for a million events after it."""
    return datetime.now(UTC) - timedelta(minutes=30)


def bodies(count: int, size: int, seed: int, make: Maker = event) -> list[bytes]:
    """Request bodies: one event, or an array of `size`."""
    start = some_time_ago()
    made = []
    for first in range(0, count * size, size):
        events = [make(n, seed, start) for n in range(first, first + size)]
        made.append(text(events if size > 1 else events[0]))
    return made


def text(value: Any) -> bytes:
    """As a browser writes it."""
    return json.dumps(value, separators=(",", ":")).encode()
