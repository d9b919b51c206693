"""The processes of the service, as production has them, under the rules of its supervisor."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from config import children, embedded
from config.children import Child
from config.supervisor import FIRST_DELAY, Kept, Runs, Service

from bench.stage import free_port
from ledger import pids

WEBS = 2
CONCURRENCY = 2
TICK_SECONDS = 0.1
LOOK_SECONDS = 0.02


class Crew:
    """Two web processes, a worker, beat and the sweeper; each is started again when it ends."""

    def __init__(self, logs: Path, hold: embedded.Hold) -> None:
        self.logs = logs
        self.hold = hold
        self.ports = [free_port() for _ in range(WEBS)]
        self.children = {name: self._child(name, argv) for name, argv in self._commands().items()}
        self.ending = threading.Event()
        self.trouble: list[Exception] = []

    def _commands(self) -> dict[str, list[str]]:
        webs = {
            f"web-{place}": children.web("127.0.0.1", port)
            for place, port in enumerate(self.ports, 1)
        }
        others = {"beat": children.beat(), "sweeper": children.sweeper()}
        return webs | {"worker": children.worker(CONCURRENCY)} | others

    def _child(self, name: str, argv: list[str]) -> Child:
        return Child(name, argv, children.environment(os.environ), self.logs / f"{name}.log")

    @property
    def webs(self) -> list[str]:
        return [name for name in self.children if name.startswith("web")]

    def pid(self, name: str) -> int:
        """The leader of that child's processes, once there is one."""
        child = self.children[name]
        while not (child.process and child.running):
            self.check()
            time.sleep(LOOK_SECONDS)
        return child.process.pid

    def processes(self, name: str, at_least: int = 1) -> list[int]:
        """That child's processes, once there are so many; the leader comes first."""
        while len(found := pids.tree(self.pid(name))) < at_least:
            time.sleep(LOOK_SECONDS)
        return found

    @contextlib.contextmanager
    def nobody_digests(self) -> Iterator[None]:
        """Inside the block, batches pile up."""
        stopped = self.processes("worker") + self.processes("sweeper")
        pids.send(signal.SIGSTOP, stopped)
        try:
            yield
        finally:
            pids.send(signal.SIGCONT, stopped)

    @contextlib.contextmanager
    def at_work(self) -> Iterator["Crew"]:
        """One thread starts them all and stays: a child ends with the thread that started it."""
        thread = threading.Thread(target=self._supervise, name="supervisor")
        thread.start()
        try:
            yield self
        finally:
            self.ending.set()
            thread.join()

    def _supervise(self) -> None:
        services: list[Runs] = [Service(name, self.hold) for name in self.hold.services]
        with (self.logs / "supervisor.log").open("a", buffering=1) as log:

            def say(text: str) -> None:
                log.write(f"{time.strftime('%X')} {text}\n")

            kept = [Kept(what, say) for what in (*self.children.values(), *services)]
            try:
                while not self.ending.wait(TICK_SECONDS):
                    for each in kept:
                        # Its growing delay is for deaths in a row, and here every death is one.
                        each.delay = FIRST_DELAY
                        each.look()
            except Exception as error:  # what would have ended `manage.py up`
                self.trouble.append(error)
            finally:
                for child in self.children.values():
                    child.stop()

    def check(self) -> None:
        """Raises what the supervisor fell over, if it did."""
        if self.trouble:
            raise self.trouble[0]
