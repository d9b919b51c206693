"""How PostgreSQL answers a query."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

# To sort what is on one page anyway may be cheaper than to read it in order.
PAGE = 100


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from walk(inner)


def plan(query: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}")
        (found,) = cursor.fetchone()
    return list(walk((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def read_more_than_it_shows(node: dict[str, Any]) -> bool:
    """Sorts, and reads of whole partitions; the empty ones do not count."""
    kind = node["Node Type"]
    rows = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    return ("Sort" in kind or kind == "Seq Scan") and bool(rows > PAGE)
