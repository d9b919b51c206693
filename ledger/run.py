"""One run: traffic and faults side by side, then quiet, then the reckoning."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import machine
from ledger.author import Author, Key
from ledger.courier import Courier, Sender, Shift
from ledger.crew import Crew
from ledger.injector import Injected, Injector
from ledger.journal import Journal
from ledger.outcome import Outcome
from ledger.plan import Plan
from ledger.probe import Probe
from ledger.proxy import standing_before
from ledger.reconcile import reconcile
from ledger.settle import settle
from ledger.stage import NotReady, Services, Stage
from tracking import event_types
from tracking.keys import create_key
from tracking.models import Application

SENDERS = 4
APPLICATIONS = ("shop", "blog", "help desk")
NO_LIMIT = 2_000_000_000
# The events' own clock starts so long before the run, and never overtakes it.
LEAD = timedelta(hours=2)
START_SECONDS = 90.0
SETTLE_SECONDS = 120.0


@dataclass
class Run:
    plan: Plan
    stage: Stage
    journal: Journal

    def __post_init__(self) -> None:
        self.keys = make_keys()
        self.types = event_types.current()
        self.first_event = datetime.now(UTC).replace(microsecond=0) - LEAD
        self.machine = machine()
        self.began = time.monotonic()

    def outcome(self) -> Outcome:
        couriers = [self._courier(place) for place in range(len(self.stage.proxies))]
        probe = Probe(self._author(0), couriers)
        injector = Injector(self.stage, probe, self.plan.seed, self.plan.only)
        self._start(probe)
        with self._traffic() as check:
            faults = [self._told(fault) for fault in self._inject(injector, check)]
        settled = settle(self.stage.crew, SETTLE_SECONDS, self._say)
        lasted = self._seconds()
        self._say("holding the tables against the journal")
        found = reconcile(self.journal)
        return Outcome(
            self.machine, self.plan.seed, lasted, faults, injector.missing, settled, found
        )

    def _start(self, probe: Probe) -> None:
        if probe.recovery(self.began, START_SECONDS) is None:
            logs = self.stage.crew.logs
            raise NotReady(f"The service is not ready after {START_SECONDS:.0f} s. See {logs}.")
        self._say("ready")

    def _inject(self, injector: Injector, check: Callable[[], None]) -> Iterator[Injected]:
        kinds = len(injector.faults)

        def enough(done: int) -> bool:
            check()
            accepted = self.journal.accepted_events
            return self.plan.is_met(self._seconds(), done, done // max(kinds, 1), accepted)

        return injector.inject(enough, self.plan.rest)

    @contextmanager
    def _traffic(self) -> Iterator[Callable[[], None]]:
        """What is given to the block raises what ended a sender."""
        shift = Shift()
        rate = self.plan.events_a_second / SENDERS
        with ThreadPoolExecutor(SENDERS) as pool:
            senders = [
                Sender(self._author(number), self._courier(number), rate, shift)
                for number in range(1, SENDERS + 1)
            ]
            working = [pool.submit(sender.work) for sender in senders]

            def check() -> None:
                for sender in working:
                    if sender.done():
                        sender.result()

            try:
                yield check
            finally:
                shift.end()
        check()

    def _author(self, number: int) -> Author:
        return Author(self.plan.seed, number, self.keys, self.first_event)

    def _courier(self, number: int) -> Courier:
        proxies = self.stage.proxies
        return Courier(proxies[number % len(proxies)].port, self.journal, self.types)

    def _told(self, fault: Injected) -> Injected:
        recovered = (
            "DID NOT RECOVER" if fault.recovery is None else f"recovered in {fault.recovery:.2f} s"
        )
        self._say(f"{fault.kind} ({fault.lasted:.1f} s), {recovered}")
        return fault

    def _say(self, text: str) -> None:
        accepted = self.journal.accepted_events
        print(f"{self._seconds():7.1f} s {accepted:>11,} events  {text}", flush=True)

    def _seconds(self) -> float:
        return time.monotonic() - self.began


def make_keys() -> list[Key]:
    """A secret and a publishable one for each application; no flood is refused here."""
    keys = []
    for name in APPLICATIONS:
        new = [create_key(name, kind) for kind in ("secret", "publishable")]
        keys += [Key(each.key, each.record.application_id) for each in new]
    Application.objects.update(
        secret_events_per_minute=NO_LIMIT, publishable_events_per_minute=NO_LIMIT
    )
    return keys


def perform(plan: Plan, services: Services, folder: Path) -> Outcome:
    journal = Journal(folder / "journal")
    with (
        Crew(folder / "logs", services.hold).at_work() as crew,
        standing_before(crew.ports) as proxies,
    ):
        return Run(plan, Stage(services, crew, proxies), journal).outcome()
