"""The limit of accepting: a bare WSGI app that does the same INSERT and COMMIT, and no more.

It runs on the same server, and what it answers is on disk. Its table is a copy of the inbox that
nobody digests: see `stage.copy_inbox`.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import psycopg2

INSERT = """
INSERT INTO bench_bare (receipt, application_id, key_id, received_at, sent_at, encoding,
                        n_events, size, attempts, next_at, body)
VALUES (%s, 1, 1, now(), NULL, '', 1, %s, 0, now(), %s)
"""
connections = threading.local()


def cursor() -> Any:
    """Of a connection that each thread keeps; every statement is a transaction of its own."""
    if not hasattr(connections, "cursor"):
        connection = psycopg2.connect(os.environ["DATABASE_URL"])
        connection.autocommit = True
        connections.cursor = connection.cursor()
        connections.cursor.execute("SET synchronous_commit = on")
    return connections.cursor


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    receipt = str(uuid4())
    cursor().execute(INSERT, (receipt, len(body), psycopg2.Binary(body)))
    answer = b'{"receipt": "%s"}' % receipt.encode()
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("202 Accepted", head)
    return [answer]
