"""Work that goes on in a thread of its own for as long as the process lives."""

import os
from collections.abc import Callable
from threading import Lock, Thread


class Background:
    """Starts the thread once in each process, for threads do not survive a fork."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self.work = work
        self.thread_of = 0  # the process whose thread runs
        self.starting = Lock()

    def ensure(self) -> None:
        """Raises `RuntimeError` where no thread is to be had; the next call tries again."""
        if self.thread_of != os.getpid():
            self._start()

    def _start(self) -> None:
        with self.starting:
            if self.thread_of != os.getpid():
                Thread(target=self.work, name=self.name, daemon=True).start()
                self.thread_of = os.getpid()
