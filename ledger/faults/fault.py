from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ledger.stage import Stage

# How long what lasts for a while does so: from, to.
HOLD_SECONDS = (1.5, 3.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` returns when the fault has ended; `missing` says what it would need and is not here,
    and nothing where it can be injected."""

    name: str
    inject: Callable[[Stage, Random], None]
    missing: Callable[[Stage], str] = lambda stage: ""


def a_while(dice: Random) -> float:
    return dice.uniform(*HOLD_SECONDS)
