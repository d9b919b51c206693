"""Sends events to the service while it is made to fail, and accounts for each of them."""

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded import EmbeddedError

from ledger.faults import FAULTS
from ledger.plan import Plan
from ledger.stage import NotReady, services

if TYPE_CHECKING:
    from ledger.outcome import Outcome


def main() -> int:
    options = _options()
    if sys.platform != "linux":
        sys.exit("The ledger looks for processes in /proc: run it on Linux.")
    folder = Path(tempfile.mkdtemp(prefix="eye-ledger-", dir="/tmp"))
    try:
        outcome = play(_plan(options), folder, options.database, options.broker)
    except (EmbeddedError, NotReady) as error:
        sys.exit(f"{error}")
    print(f"\n{outcome.text()}")
    if options.json:
        options.json.write_text(json.dumps(outcome.as_dict(), indent=1) + "\n")
    if outcome.good:
        shutil.rmtree(folder)
        return 0
    print(f"The journal and the logs are in {folder}.")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=__doc__)
    parser.add_argument("--long", action="store_true", help="a million events, a hundred faults")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of an earlier run, to repeat")
    parser.add_argument("--seconds", type=float, help="inject faults for so long")
    parser.add_argument("--only", default="", metavar="TEXT", help="faults with this in their name")
    parser.add_argument("--database", default="", metavar="URL", help="a server to make one on")
    parser.add_argument("--broker", default="", metavar="URL", help="amqp://… or redis://…")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there too")
    options = parser.parse_args()
    if not any(options.only in fault.name for fault in FAULTS):
        names = ", ".join(fault.name for fault in FAULTS)
        parser.error(f"No fault has {options.only!r} in its name. There are: {names}.")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    plan = Plan(options.seed, only=options.only)
    if options.long:
        plan = replace(plan, events_a_second=2_500.0, rest=3.0, faults=100, events=1_000_000)
    return replace(plan, seconds=options.seconds)


def play(plan: Plan, folder: Path, database: str, broker: str) -> "Outcome":
    print(f"seed {plan.seed}, in {folder}", flush=True)
    with services(folder, database, broker) as running:
        # Models cannot be imported before Django is set up.
        from ledger.run import perform

        return perform(plan, running, folder)


if __name__ == "__main__":
    sys.exit(main())
