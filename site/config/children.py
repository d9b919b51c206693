"""The processes of The Eye beside its services: how each is started, and a handle on one.

`manage.py up` and the tests start them from here, so that what is tested is what runs.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import ROOT, data_dir, open_log
from config.identity import die_with_parent

BIN = Path(sys.executable).parent
QUEUES = "digest,reports,exports,default"


def environment(environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """What every child needs, wherever the parent was started from."""
    path = [str(ROOT), str(ROOT / "site")]
    if inherited := environ.get("PYTHONPATH"):
        path.append(inherited)
    return {
        **environ,
        "EYE_DATA_DIR": str(data_dir(environ)),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **more,
    }


def web(host: str, port: int) -> list[str]:
    options = {
        "--interface": "asginl",
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        # With HTTP/1 alone, a connection is closed on which nothing comes for so many milliseconds.
        "--http": "1",
        "--http1-header-read-timeout": "10000",
        "--http1-buffer-size": "65536",
        # So many connections, also idle ones: beyond them nobody gets in.
        "--backpressure": "4096",
        # A request in progress gets this long when the server is told to stop.
        "--workers-kill-timeout": "1",
    }
    flags = [part for option in options.items() for part in option]
    # Without a supervisor of its own, granian ends with its worker, and ours starts both again.
    return _module("granian", *flags, "--no-access-log", "--no-ws", "config.asgi:application")


def worker(concurrency: int, name: str = "worker") -> list[str]:
    """Workers of one broker need names of their own."""
    slim = ["--without-gossip", "--without-mingle"]
    size = ["--concurrency", str(concurrency), "-n", f"{name}@%h"]
    return _module("celery", "-A", "config", "worker", "-l", "INFO", "-Q", QUEUES, *size, *slim)


def beat() -> list[str]:
    return _module("celery", "-A", "config", "beat", "-l", "INFO", "--pidfile=")


def sweeper() -> list[str]:
    return manage("sweep")


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


@dataclass
class Child:
    """One process, leader of a group of its own: a Ctrl-C in the terminal does not reach it."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    inherits: Sequence[int] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.log_start = 0

    def start(self) -> None:
        self.kill()  # what an earlier start has left
        parent = os.getpid()

        def before_exec() -> None:
            die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        with open_log(self.log) as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.inherits,
                preexec_fn=before_exec,
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ending(self) -> str:
        code = self.process.returncode if self.process else None
        return signal.Signals(-code).name if code and code < 0 else f"exit code {code}"

    def output(self) -> str:
        """What it has written since its last start."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def signal(self, signum: int) -> None:
        """To the leader alone; it tells its own children."""
        if self.process and self.running:
            self.process.send_signal(signum)

    def kill(self) -> None:
        """All of the group, the leader's children too."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self, patience: float = 5.0) -> None:
        self.signal(signal.SIGTERM)
        self.wait(patience)
        self.kill()

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.running
