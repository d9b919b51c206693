"""Real processes on the test database: web server, worker, sweeper, beat.

As fixtures they live as long as the module that asks for them. A test that kills and revives uses
`worker.kill()` and `worker.start()`. Their logs are shown with a test that fails.
"""

import contextlib
import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from config import children
from django.db import connection

READY_SECONDS = 30.0
running: list["Process"] = []


@dataclass
class Process(children.Child):
    """A child whose `start` returns when it is ready."""

    ready: Callable[["Process"], bool]
    url: str = ""

    def start(self) -> None:
        super().start()
        deadline = time.monotonic() + READY_SECONDS
        while not self.ready(self):
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} did not get ready:\n{self.output()}")
            time.sleep(0.02)

    def children(self) -> list[int]:
        return children_of(self.process.pid) if self.process else []

    def megabytes(self) -> float:
        """What it and its children take of the memory."""
        processes = [self.process.pid, *self.children()] if self.process else []
        files = [Path(f"/proc/{process}/statm") for process in processes]
        pages = sum(int(file.read_text().split()[1]) for file in files)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children_of(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(process) for process in listed.split()]


def database_url() -> str:
    """The URL of the test database, which has another name than the one Django was started with."""
    settings = connection.settings_dict
    if not settings["NAME"].startswith("test_"):
        raise RuntimeError("No test database was made: mark the test with pytest.mark.django_db.")
    login = quote(settings["USER"] or "", safe="")
    if settings["PASSWORD"]:
        login += ":" + quote(settings["PASSWORD"], safe="")
    host = quote(settings["HOST"] or "", safe="")
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"postgresql://{login}@{host}{port}/{settings['NAME']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Any HTTP answer will do."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def says(pattern: str) -> Callable[[Process], bool]:
    return lambda process: re.search(pattern, process.output()) is not None


@contextlib.contextmanager
def run(process: Process) -> Iterator[Process]:
    running.append(process)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        running.remove(process)


def environment(**more: str) -> dict[str, str]:
    return children.environment(os.environ, **{"DATABASE_URL": database_url(), **more})


@contextlib.contextmanager
def run_web(log: Path, **more: str) -> Iterator[Process]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = children.web("127.0.0.1", port)
    with run(Process("web", argv, environment(**more), log, lambda _: answers(url), url)) as web:
        yield web


@contextlib.contextmanager
def run_worker(log: Path, **more: str) -> Iterator[Process]:
    argv, ready = children.worker(2, log.stem), says(r" ready\.")
    with run(Process("worker", argv, environment(**more), log, ready)) as process:
        yield process


@contextlib.contextmanager
def run_sweeper(log: Path, **more: str) -> Iterator[Process]:
    argv, ready = children.sweeper(), says("Sweeping")
    with run(Process("sweeper", argv, environment(**more), log, ready)) as process:
        yield process


@contextlib.contextmanager
def run_beat(log: Path, **more: str) -> Iterator[Process]:
    argv, ready = children.beat(), says("beat: Starting")
    with run(Process("beat", argv, environment(**more), log, ready)) as process:
        yield process


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def web(django_db_setup: None, logs: Path) -> Iterator[Process]:
    """The web server; `web.url` is where it answers."""
    with run_web(logs / "web.log") as process:
        yield process


@pytest.fixture(scope="module")
def worker(django_db_setup: None, logs: Path) -> Iterator[Process]:
    with run_worker(logs / "worker.log") as process:
        yield process


@pytest.fixture(scope="module")
def sweeper(django_db_setup: None, logs: Path) -> Iterator[Process]:
    with run_sweeper(logs / "sweeper.log") as process:
        yield process


@pytest.fixture(scope="module")
def beat(django_db_setup: None, logs: Path) -> Iterator[Process]:
    with run_beat(logs / "beat.log") as process:
        yield process
