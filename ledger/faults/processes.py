"""Processes of the service, killed without a word."""

import signal
from random import Random

from ledger import pids
from ledger.faults.fault import Fault
from ledger.stage import Stage


def web(stage: Stage, dice: Random) -> None:
    """One that serves: a web server's last descendant."""
    _kill(stage.crew.processes(dice.choice(stage.crew.webs))[-1])


def worker_child(stage: Stage, dice: Random) -> None:
    _, *children = stage.crew.processes("worker", at_least=2)
    _kill(dice.choice(children))


def worker_parent(stage: Stage, dice: Random) -> None:
    _kill(stage.crew.pid("worker"))


def beat(stage: Stage, dice: Random) -> None:
    _kill(stage.crew.pid("beat"))


def sweeper(stage: Stage, dice: Random) -> None:
    _kill(stage.crew.pid("sweeper"))


def _kill(pid: int) -> None:
    pids.send(signal.SIGKILL, [pid])


FAULTS = (
    Fault("web process killed", web),
    Fault("worker's child killed", worker_child),
    Fault("worker killed", worker_parent),
    Fault("beat killed", beat),
    Fault("sweeper killed", sweeper),
)
