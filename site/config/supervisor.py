"""`manage.py up`: starts everything in order, keeps it running, and stops it in order.

It does not load Django, which would only hold memory. One thread, one loop: on Linux a child also
ends when the thread that started it ends.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from config import children, embedded
from config.children import Child
from config.embedded import tail
from config.terminal import NOTABLE, NOTABLE_OF_SERVICE, Follower, Terminal, short, welcome

TICK_SECONDS = 0.3
READY_SECONDS = 90.0
# A child that ends this often before everything is ready will not do better the next time.
HOPELESS_DEATHS = 2
FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
# After so long, a death is news and not one more of a series.
STABLE_SECONDS = 30.0
# The order of stopping, and the patience with each. With the services' own it stays below 10 s.
STOPS = ((("web",), 1.5), (("beat", "sweeper"), 1.0), (("worker",), 3.5))
ORPHAN_SECONDS = 5.0
TITLES = {"postgres": "PostgreSQL", "valkey": "Valkey"}


class CannotRun(Exception):
    """The message is for the person at the terminal."""


class StopRequested(Exception):
    """Ctrl-C, or a polite kill."""


def main() -> int:
    stop_requested = _listen_for_stop()
    try:
        Supervisor(os.environ, Terminal(), stop_requested).run()
    except (CannotRun, embedded.EmbeddedError, OSError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def _listen_for_stop() -> Callable[[], bool]:
    """The first request counts; more of them, from an impatient Ctrl-C, change nothing."""
    requests: list[int] = []
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # started by nohup
        signals.append(signal.SIGHUP)
    for signum in signals:
        signal.signal(signum, lambda number, _: requests.append(number))
    return lambda: bool(requests)


# --- Where the web server listens -----------------------------------------------------------


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Address":
        text = environ.get("PORT") or "8000"
        if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
            raise CannotRun(f"PORT must be a number from 1 to 65535, not {text!r}.")
        return cls(environ.get("EYE_HOST") or "127.0.0.1", int(text))

    def check(self) -> None:
        """Granian shares a port that others listen on; so ask before, without sharing."""
        try:
            kind, *_, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except socket.gaierror:
            raise CannotRun(f"EYE_HOST is not an address of this machine: {self.host}") from None
        except OSError as error:
            raise CannotRun(
                f"The web server cannot listen on {self.host}, port {self.port}: {error.strerror}."
                f"\nChoose another port, for example: PORT={self.port % 65535 + 1} make run"
            ) from None

    @property
    def local(self) -> str:
        """Where a browser on this machine finds it."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (not bound to)
        return everywhere.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = f"[{self.local}]" if ":" in self.local else self.local
        return f"http://{host}:{self.port}"

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(self.local, self.port, timeout=2)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/healthz")
            return connection.getresponse().status > 0
        return False


def _concurrency(environ: Mapping[str, str]) -> int:
    """One task at a time for each core, and two at least: a long one shall not stop the others."""
    text = environ.get("EYE_WORKER_CONCURRENCY") or str(max(2, os.cpu_count() or 2))
    if not text.isascii() or not text.isdigit() or not int(text):
        raise CannotRun(f"EYE_WORKER_CONCURRENCY must be a number above 0, not {text!r}.")
    return int(text)


# --- What is kept running -------------------------------------------------------------------


class Runs(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def running(self) -> bool: ...
    def start(self) -> None: ...
    def ending(self) -> str: ...


@dataclass
class Service:
    """An embedded service. Its keeper starts it again when it dies; here we see to the keeper."""

    name: str
    hold: embedded.Hold

    @property
    def running(self) -> bool:
        return self.hold.is_kept(self.name)

    def start(self) -> None:
        self.hold.keep(self.name)

    def ending(self) -> str:
        return str(self.hold.last_words.get(self.name) or "its keeper was killed")


class Kept:
    """Starts it again when it ended, after a delay that grows with every death."""

    def __init__(self, what: Runs, say: Callable[[str], None]) -> None:
        self.what = what
        self.say = say
        self.deaths = 0
        self.delay = FIRST_DELAY
        self.started = time.monotonic()
        self.start_at: float | None = None if what.running else self.started

    def look(self) -> None:
        if self.start_at is None:
            if not self.what.running:
                self._mourn()
        elif time.monotonic() >= self.start_at:
            self.what.start()
            self.started, self.start_at = time.monotonic(), None

    def _mourn(self) -> None:
        if time.monotonic() - self.started > STABLE_SECONDS:
            self.delay = FIRST_DELAY
        name = TITLES.get(self.what.name, self.what.name)
        self.say(f"{name} ended ({self.what.ending()}); starting it again in {self.delay:g} s.")
        self.deaths += 1
        self.start_at = time.monotonic() + self.delay
        self.delay = min(2 * self.delay, LONGEST_DELAY)


# --- All of it ------------------------------------------------------------------------------


class Supervisor:
    def __init__(
        self, environ: Mapping[str, str], terminal: Terminal, stop_requested: Callable[[], bool]
    ) -> None:
        self.environ = environ
        self.env = children.environment(environ)
        self.terminal = terminal
        self.stop_requested = stop_requested
        self.address = Address.read(environ)
        self.concurrency = _concurrency(environ)
        self.data_dir = embedded.data_dir(environ)
        self.logs = self.data_dir / "logs"
        self.children: list[Child] = []
        self.groups: list[int] = []

    def run(self) -> None:
        with _alone(self.data_dir) as family:
            self.address.check()
            self.terminal.say("The Eye")
            with contextlib.suppress(StopRequested), self._services() as hold:
                made = self._prepare()
                kept = self._start(family, hold)
                self.terminal.say(welcome(self.address.url, made, self.logs))
                self._watch(kept, family)
        self.terminal.say("Stopped.")

    @contextlib.contextmanager
    def _services(self) -> Iterator[embedded.Hold]:
        """The embedded services, and the end of everything that uses them."""
        hold = embedded.Hold(self.data_dir, embedded.needed(self.environ), pause=self._pause)
        titles = " and ".join(TITLES[service] for service in hold.services)
        try:
            with self._step("starting", titles):
                hold.acquire()
            yield hold
        finally:
            with self._step("stopping", ", ".join(child.name for child in self.children)):
                self._stop_children()
            with self._step("stopping", titles):
                hold.release()

    def _step(self, verb: str, what: str) -> contextlib.AbstractContextManager[None]:
        return self.terminal.step(f"{verb} {what}") if what else contextlib.nullcontext()

    def _pause(self, seconds: float) -> None:
        if self.stop_requested():
            raise StopRequested
        time.sleep(seconds)

    def _prepare(self) -> dict[str, Any]:
        log = self.logs / "prepare.log"
        with self.terminal.step("preparing the database"), embedded.open_log(log) as errors:
            child = subprocess.Popen(
                children.manage("prepare", "--json"),
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            try:
                while child.poll() is None:
                    self._pause(0.02)
            finally:
                child.kill()
                output, _ = child.communicate()
            if child.returncode:
                raise CannotRun(f"The database could not be prepared.\n{tail(log, 4)}")
        made: dict[str, Any] = json.loads(output)
        return made

    def _start(self, family: int, hold: embedded.Hold) -> list[Kept]:
        """Start the children; return when requests are answered and tasks are taken."""
        commands = {
            "web": children.web(self.address.host, self.address.port),
            "worker": children.worker(self.concurrency),
            "beat": children.beat(),
            "sweeper": children.sweeper(),
        }
        with self.terminal.step(f"starting {', '.join(commands)}"):
            for name, argv in commands.items():
                log = self.logs / f"{name}.log"
                self.children.append(Child(name, argv, self.env, log, inherits=(family,)))
            kept = [Kept(child, self.terminal.say) for child in self.children]
            self._tick(kept, family)
            self._wait_until_ready(kept, family)
        return kept + [Kept(Service(name, hold), self.terminal.say) for name in hold.services]

    def _wait_until_ready(self, kept: list[Kept], family: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        worker = next(child for child in self.children if child.name == "worker")
        while not ("ready." in worker.output() and self.address.answers()):
            self._tick(kept, family)
            for each in kept:
                if each.deaths >= HOPELESS_DEATHS or time.monotonic() > deadline:
                    log = self.logs / f"{each.what.name}.log"
                    raise CannotRun(f"{each.what.name} does not get ready.\n{tail(log)}")
            self._pause(0.05)

    def _tick(self, kept: list[Kept], family: int) -> None:
        for each in kept:
            each.look()
        groups = [child.process.pid for child in self.children if child.process]
        if groups != self.groups:
            self.groups = groups
            _write(family, json.dumps(groups))

    def _watch(self, kept: list[Kept], family: int) -> None:
        followers = [self._follow(each.what) for each in kept]
        while True:
            self._tick(kept, family)
            for line in [line for follower in followers for line in follower.news()]:
                self.terminal.say(line)
            self._pause(TICK_SECONDS)

    def _follow(self, what: Runs) -> Follower:
        notable = NOTABLE_OF_SERVICE if isinstance(what, Service) else NOTABLE
        return Follower(what.name, self.logs / f"{what.name}.log", notable)

    def _stop_children(self) -> None:
        for names, patience in STOPS:
            leaving = [child for child in self.children if child.name in names]
            for child in leaving:
                child.signal(signal.SIGTERM)
            deadline = time.monotonic() + patience
            for child in leaving:
                child.wait(deadline - time.monotonic())
                child.kill()


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[int]:
    """One supervisor for each data folder, and no children of one that was killed.

    What is given to the block is a lock for the children to inherit: while one lives, it is held.
    """
    run = data_dir / "run"
    with embedded.explained(data_dir):
        for folder in (data_dir, run, data_dir / "logs"):
            embedded.make_private(folder)
        stack = contextlib.ExitStack()
        lock, family = (stack.enter_context(embedded.opened(run / n)) for n in ("up", "children"))
    with stack:
        if not embedded.locked(lock):
            raise CannotRun(
                f"The Eye already runs on {short(data_dir)} (process {_read(lock)}). Stop that one "
                "first; or set EYE_DATA_DIR and PORT to run another one beside it."
            )
        _write(lock, str(os.getpid()))
        _end_orphans(family)
        yield family


def _end_orphans(family: int) -> None:
    """They were told to end when their supervisor was killed, where the system can do that."""
    if embedded.wait_until(lambda: embedded.locked(family), ORPHAN_SECONDS):
        return
    for group in json.loads(_read(family) or "[]"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    if not embedded.wait_until(lambda: embedded.locked(family), ORPHAN_SECONDS):
        raise CannotRun(f"Processes of an earlier run do not end: {_read(family)}. Kill them.")


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 1000, 0).decode()


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
