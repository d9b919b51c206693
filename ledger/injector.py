"""Injects fault after fault in the order that the seed deals, and measures each recovery."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from ledger.faults import FAULTS, Fault
from ledger.probe import Probe
from ledger.stage import Stage

# A service that has not recovered by then is broken.
PATIENCE_SECONDS = 30.0
# The share of faults that meet the workers at work for certain.
AMID_WORK = 0.5


@dataclass(frozen=True, slots=True)
class Injected:
    """`at` is in seconds since the first; `recovery` is None where there was none."""

    kind: str
    at: float
    lasted: float
    recovery: float | None


@dataclass
class Injector:
    """Its faults are those with `only` in their name."""

    stage: Stage
    probe: Probe
    seed: str
    only: str = ""

    def __post_init__(self) -> None:
        # Apart, so that the order of the faults does not depend on how each of them went.
        self.order, self.dice = Random(f"{self.seed} order"), Random(f"{self.seed} moments")
        asked = [fault for fault in FAULTS if self.only in fault.name]
        self.missing = {f.name: why for f in asked if (why := f.missing(self.stage))}
        self.faults = [fault for fault in asked if fault.name not in self.missing]

    def inject(self, enough: Callable[[int], bool], rest: float) -> Iterator[Injected]:
        """All kinds in turn, each turn in another order, until it is `enough` of so many."""
        began = time.monotonic()
        for done, fault in enumerate(self._dealt()):
            if enough(done):
                return
            self.stage.crew.check()
            yield self._one(fault, began)
            time.sleep(rest * self.dice.uniform(0, 2))

    def _dealt(self) -> Iterator[Fault]:
        while self.faults:
            yield from self.order.sample(self.faults, len(self.faults))

    def _one(self, fault: Fault, began: float) -> Injected:
        if self.dice.random() < AMID_WORK:
            self._amid_work()
        at = time.monotonic()
        fault.inject(self.stage, self.dice)
        ended = time.monotonic()
        recovery = self.probe.recovery(ended, PATIENCE_SECONDS)
        return Injected(fault.name, at - began, ended - at, recovery)

    def _amid_work(self) -> None:
        """Lets batches pile up, and the workers just begin with them."""
        with self.stage.crew.nobody_digests():
            time.sleep(self.dice.uniform(0.3, 1.0))
        time.sleep(self.dice.uniform(0, 0.3))
