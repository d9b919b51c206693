"""What a scenario needs: a database that is thrown away, and a web server on it."""

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 30.0


@contextlib.contextmanager
def services() -> Iterator[None]:
    """PostgreSQL (with fsync) and Valkey in a folder of their own, migrated; and Django set up."""
    sys.path[:0] = [str(ROOT), str(ROOT / "site")]
    from config import embedded

    folder = Path(tempfile.mkdtemp(prefix="eye-bench-"))
    try:
        with embedded.hold(folder):
            sockets = quote(str(embedded.postgres_socket_dir(folder)), safe="")
            valkey = embedded.valkey_socket(folder)
            os.environ |= {
                "EYE_DATA_DIR": str(folder),
                "EYE_SECRET_KEY": "only for measuring",
                "EYE_LOG_LEVEL": "ERROR",
                "DATABASE_URL": f"postgresql://eye@{sockets}/eye",
                "CELERY_BROKER_URL": f"redis+socket://{valkey}?virtual_host=0",
                "CACHE_URL": f"unix://{valkey}?db=1",
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def web() -> Iterator[HTTPConnection]:
    """A web server as production has it, and one connection to it that stays open."""
    from config import children

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    log = Path(os.environ["EYE_DATA_DIR"]) / "web.log"
    environment = children.environment(os.environ)
    server = children.Child("web", children.web("127.0.0.1", port), environment, log)
    server.start()
    try:
        yield _connected(port)
    finally:
        server.stop()


def _connected(port: int) -> HTTPConnection:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return connection


def milliseconds(since: float) -> float:
    return (time.perf_counter() - since) * 1000
