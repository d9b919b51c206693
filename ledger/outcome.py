"""What came of it, as one table and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.machine import about, commit
from ledger.checks import KINDS
from ledger.injector import PATIENCE_SECONDS, Injected
from ledger.reconcile import Finding, Reconciled

HEAD = ("fault", "times", "worst recovery")


@dataclass(frozen=True, slots=True)
class Outcome:
    machine: dict[str, Any]
    seed: str
    seconds: float
    faults: Sequence[Injected]
    missing: dict[str, str]
    settled: bool
    reconciled: Reconciled

    @property
    def good(self) -> bool:
        recovered = all(fault.recovery is not None for fault in self.faults)
        return recovered and self.settled and not self.reconciled.findings

    def as_dict(self) -> dict[str, Any]:
        return {
            "good": self.good,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "machine": self.machine,
            "commit": commit(),
            "faults": [asdict(fault) for fault in self.faults],
            "not_injected": self.missing,
            "settled": self.settled,
            **{kind: self.reconciled.count(kind) for kind in KINDS},
            "findings": [asdict(finding) for finding in self.reconciled.findings],
            "totals": self.reconciled.totals,
        }

    def text(self) -> str:
        return "\n".join([*self._table(), "", *self._below()])

    def _table(self) -> list[str]:
        kinds = sorted({fault.kind for fault in self.faults})
        rows = [HEAD, *(self._row(kind) for kind in kinds)]
        first, second, third = (max(map(len, column)) for column in zip(*rows, strict=True))
        return [f"{a:{first}}  {b:>{second}}  {c:>{third}}" for a, b, c in rows]

    def _row(self, kind: str) -> tuple[str, str, str]:
        recoveries = [fault.recovery for fault in self.faults if fault.kind == kind]
        measured = [seconds for seconds in recoveries if seconds is not None]
        never = len(measured) < len(recoveries)
        worst = f"over {PATIENCE_SECONDS:.0f} s" if never else f"{max(measured):.2f} s"
        return kind, str(len(recoveries)), worst

    def _below(self) -> list[str]:
        totals = self.reconciled.totals
        numbers = {name.replace("_", " "): f"{count:,}" for name, count in totals.items()}
        return [
            *(f"not injected: {kind}: {why}" for kind, why in self.missing.items()),
            *(line for finding in self.reconciled.findings for line in _finding(finding)),
            *([] if self.settled else ["The inbox did not empty, or reports did not catch up."]),
            ", ".join(f"{kind} {self.reconciled.count(kind):,}" for kind in KINDS),
            ", ".join(f"{name} {count}" for name, count in numbers.items()),
            f"{len(self.faults)} faults in {self.seconds:.0f} s, seed {self.seed}",
            f"commit {commit()}, on {about(self.machine)}",
        ]


def _finding(finding: Finding) -> list[str]:
    head = f"{finding.check.kind.upper()} {finding.count:,}: {finding.check.says}; for example"
    return [head, *(f"    {_example(example)}" for example in finding.examples)]


def _example(row: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
