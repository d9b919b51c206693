"""The processes that a scenario measures: those it names run, and no others."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from time import monotonic, sleep

from bench import stage

# Granian as `make run` starts it, but for a WSGI app.
BARE_OPTIONS = ("--interface", "wsgi", "--host", "127.0.0.1", "--workers", "1")


def _web(port: int) -> list[str]:
    from config import children

    return children.web("127.0.0.1", port)


def _up(port: int) -> list[str]:
    """All of them: web, worker, beat and sweeper, under their supervisor."""
    from config import children

    return children.manage("up")


def _bare(threads: int) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        more = ("--blocking-threads", str(threads), "--port", str(port))
        quiet = ("--no-access-log", "--no-ws")
        app = "bench.bare:application"
        return [sys.executable, "-m", "granian", *BARE_OPTIONS, *more, *quiet, app]

    return command


COMMANDS = {"web": _web, "up": _up, "bare": _bare(4), "bare 16": _bare(16)}


class Processes:
    """Each stays, warm, for as long as one scenario after the other wants it."""

    def __init__(self) -> None:
        self.running: dict[str, Running] = {}

    def only(self, *names: str) -> list[int]:
        """The ports at which they answer."""
        for name in self.running.keys() - {*names}:
            self.running.pop(name).child.stop(patience=20.0)
        new = {name: Running(name) for name in names if name not in self.running}
        self.running |= new
        for process in new.values():
            process.child.start()
        for process in new.values():
            process.wait()
        return [self.running[name].port for name in names]

    def pid(self, name: str) -> int:
        process = self.running[name].child.process
        assert process  # noqa: S101 - it runs
        return process.pid


class Running:
    def __init__(self, name: str) -> None:
        if name.startswith("bare"):
            stage.copy_inbox()
        self.name = name
        self.port = stage.free_port()
        self.child = stage.child(name, COMMANDS[name](self.port), PORT=str(self.port))

    def wait(self) -> None:
        stage.connected(self.port).close()
        # The supervisor names its address when its worker takes tasks as well.
        deadline = monotonic() + stage.READY_SECONDS
        while self.name == "up" and str(self.port) not in self.child.output():
            if monotonic() > deadline:
                raise RuntimeError(f"`manage.py up` does not get ready:\n{self.child.output()}")
            sleep(0.05)


@contextlib.contextmanager
def kept() -> Iterator[Processes]:
    processes = Processes()
    try:
        yield processes
    finally:
        processes.only()
