"""Processes and what they have started, as Linux tells it."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path


def tree(root: int) -> list[int]:
    """The process and all that descend from it, each after the one that started it."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _parents() -> Iterable[tuple[int, int]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            after_name = (process / "stat").read_text().rpartition(")")[2].split()
            yield int(process.name), int(after_name[1])


def send(signum: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
