"""What processes use, from /proc: a group is a process with all its descendants."""

import os
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from bench import stage
from bench.processes import Processes

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
# The children of the supervisor, by a word of their command lines; the web server has none.
WORDS = {"worker": "worker", "beat": "beat", "sweep": "sweeper"}


def groups(processes: Processes) -> dict[str, list[int]]:
    """The process ids of all that `manage.py up` starts, and of the services."""
    supervisor = processes.pid("up")
    found = {_name(child): tree(child) for child in children(supervisor)}
    services = {"PostgreSQL": "postgres", "Valkey": "valkey"}
    trees = {title: tree(status(name)["keeper"]) for title, name in services.items()}
    ((own,),) = stage.sql("SELECT pg_backend_pid()")
    trees["PostgreSQL"].remove(own)  # it works for who measures
    return {**found, **trees, "supervisor": [supervisor]}


def status(service: str) -> dict[str, int]:
    """`pid` of an embedded service and of its `keeper`."""
    from config import embedded

    said = embedded.Hold(Path(os.environ["EYE_DATA_DIR"]), ()).status(service)
    return {name: int(str(said[name])) for name in ("keeper", "pid")}


def _name(pid: int) -> str:
    argv = (PROC / str(pid) / "cmdline").read_text().split("\0")
    return next((name for word, name in WORDS.items() if word in argv), "web")


def tree(pid: int) -> list[int]:
    return [pid, *(below for child in children(pid) for below in tree(child))]


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            found += map(int, task.read_text().split())
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Of these processes, and of those of their children that have ended."""
    return sum(sum(_times(pid)) for pid in pids) / TICKS


def _times(pid: int) -> list[int]:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:  # it has just ended: its parent has its times now
        return []
    return [int(ticks) for ticks in stat.rpartition(")")[2].split()[11:15]]


def megabytes(pids: list[int]) -> float:
    """What several processes share is divided between them."""
    return sum(_kilobytes(pid, "smaps_rollup", "Pss") for pid in pids) / 1000


def resident_megabytes(pids: list[int]) -> float:
    return sum(_kilobytes(pid, "status", "VmRSS") for pid in pids) / 1000


def peak_megabytes(pids: list[int]) -> float:
    """The most that was resident since `forget_peak`."""
    return sum(_kilobytes(pid, "status", "VmHWM") for pid in pids) / 1000


def forget_peak(pids: list[int]) -> None:
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text("5")


def _kilobytes(pid: int, file: str, kind: str) -> int:
    try:
        lines = (PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


class Meter:
    """CPU shares of the groups, in percent of one core, since it was made."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.began = perf_counter()
        self.before = self._read()

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pids) for name, pids in groups(self.processes).items()}

    def shares(self) -> dict[str, float]:
        seconds = perf_counter() - self.began
        return {
            name: 100 * (now - self.before[name]) / seconds for name, now in self._read().items()
        }
