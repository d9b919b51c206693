"""Keeps one embedded service running for as long as somebody uses it. Started by embedded.py.

A keeper is the parent of one PostgreSQL or Valkey. Whoever needs that service holds a shared lock
on its `users` file; the keeper starts the service, starts it again when it dies, and stops it once
it gets that lock for itself alone. The kernel frees the locks of a killed process, so whichever way
the users end, nothing is left running.

The `keeper` file is locked by whoever keeps the service; embedded.py takes that lock and hands the
open file down, so there are never two keepers. What the keeper has to say is written into it.
The `alive` file is locked by the service itself, through a descriptor all its processes inherit:
while that lock is held, some process of an earlier run still lives.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable

from config.embedded import EmbeddedError, Order, locked, open_log, opened, tail, wait_until
from config.identity import die_with_parent
from config.postgres import Postgres
from config.valkey import Valkey

SERVICES: dict[str, type[Postgres] | type[Valkey]] = {"postgres": Postgres, "valkey": Valkey}
TICK_SECONDS = 0.5
RETRY_SECONDS = 5.0
# A service that dies again and again shall not keep a core busy.
RESTART_SECONDS = 0.5


class Keeper:
    def __init__(self, order: Order, status_fd: int) -> None:
        self.order = order
        self.status_fd = status_fd
        self.service: Postgres | Valkey
        self.log = open_log(order.log)
        self.stopping = False
        self.wakeups = self._listen()

    def _listen(self) -> int:
        """A descriptor that becomes readable when a signal came in."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, lambda *_: None)  # "look again": a user has gone
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return reader

    def _ask_to_stop(self, *_: object) -> None:
        self.stopping = True

    def _sleep(self, seconds: float) -> None:
        if select.select([self.wakeups], [], [], seconds)[0]:
            os.read(self.wakeups, 1024)

    def tell(self, **status: object) -> None:
        data = json.dumps({"keeper": os.getpid(), **status}).encode()
        os.ftruncate(self.status_fd, 0)
        os.pwrite(self.status_fd, data, 0)

    def run(self) -> None:
        self.service = SERVICES[self.order.service](self.order)
        self._clear_orphans()
        self.service.prepare()
        while True:
            child = self._start()
            self.tell(ready=True, pid=child.pid)
            if self._watch(child):
                return
            self.tell(ready=False)
            self._note(f"{self.service.title} ended ({child.returncode}); starting it again")
            time.sleep(RESTART_SECONDS)

    def _note(self, text: str) -> None:
        self.log.write(f"--- keeper: {text}\n".encode())
        self.log.flush()

    def _watch(self, child: subprocess.Popen[bytes]) -> bool:
        """Until the service died (False), or until it was stopped because nobody needs it (True).

        The users' lock stays ours while the service stops: whoever comes now waits for it.
        """
        with self._open("users") as users:
            while child.poll() is None:
                if self.stopping or locked(users):
                    self.tell(ready=False)
                    self._end(lambda: child.poll() is not None, child.pid)
                    return True
                self._sleep(TICK_SECONDS)
        return False

    def _open(self, kind: str) -> contextlib.AbstractContextManager[int]:
        return opened(self.order.file(kind))

    def _start(self) -> subprocess.Popen[bytes]:
        """A PostgreSQL that crashed may refuse for a second or two: its memory is still mapped."""
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            self._clear_orphans()
            self.service.before_start()
            child = self._spawn()
            while child.poll() is None and not self.service.ready(child.pid):
                if self.stopping:
                    child.terminate()
                time.sleep(0.01)
            if child.returncode is None:
                return child
            if self.stopping or time.monotonic() > deadline:
                raise EmbeddedError(f"{self.service.title} does not start.\n{tail(self.order.log)}")
            time.sleep(0.25)

    def _spawn(self) -> subprocess.Popen[bytes]:
        keeper = os.getpid()
        with self._open("alive") as alive:
            locked(alive)

            def before_exec() -> None:
                die_with_parent(self.service.stop_signals[0][0])
                if os.getppid() != keeper:
                    os._exit(1)
                os.ftruncate(alive, 0)
                os.pwrite(alive, str(os.getpid()).encode(), 0)

            child = self.service.identity.popen(
                self.service.command(),
                before_exec,
                stdin=subprocess.PIPE,
                stdout=self.log,
                stderr=self.log,
                pass_fds=[alive],
                cwd=self.order.home,
            )
        if child.stdin:
            with contextlib.suppress(BrokenPipeError), child.stdin as stdin:
                stdin.write(self.service.stdin)
        return child

    def _clear_orphans(self) -> None:
        """Stop what a killed keeper left behind. Its lock proves that the pid is still its own."""
        with self._open("alive") as alive:
            if locked(alive):
                return
            self._note(f"stopping the {self.service.title} of an earlier run")
            text = os.pread(alive, 20, 0).decode()
            self._end(lambda: locked(alive), int(text) if text else None)

    def _end(self, ended: Callable[[], bool], pid: int | None) -> None:
        """Ask ever less politely."""
        for signum, patience in self.service.stop_signals:
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            if wait_until(ended, patience):
                return
        raise EmbeddedError(
            f"{self.service.title} (process {pid}) does not stop. End it by hand and start again."
        )


def main(order_text: str, status_fd: str) -> int:
    os.umask(0o077)
    keeper = Keeper(Order.read(order_text), int(status_fd))
    try:
        keeper.run()
    except (EmbeddedError, OSError) as error:
        keeper.tell(error=str(error))
        return 1
    return 0
