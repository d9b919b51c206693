"""Runs the scenarios and prints a table; the figures go to bench/results.json as well.

python -m bench [--quick] [SCENARIO …]
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import processes, stage
from bench.figures import Row, table
from bench.machine import about, commit, machine

# In this order: those that want the same processes or the same rows follow each other.
SCENARIOS = (
    "fold",
    "big_session",
    "trail",
    "idle",
    "end_to_end",
    "latency",
    "steady",
    "live",
    "noisy",
    "accept_singles",
    "accept_batches",
    "broker_frozen",
    "digest",
    "csv",
    "lists",
    "admin_lists",
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    options = arguments()
    if options.show:
        print(shown())
        return
    rows: list[Row] = []
    code = commit()  # before the first result is written
    with stage.services(), processes.kept() as running:
        for name in sorted(options.scenarios or SCENARIOS, key=SCENARIOS.index):
            here = machine()
            print(f"== {name}, on {about(here)}", file=sys.stderr, flush=True)
            found: list[Row] = import_module(f"bench.{name}").run(running, quick=options.quick)
            if not options.quick:
                keep(name, found, here, code)
            rows += found
    print(table([row.as_dict() for row in rows]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--show", action="store_true", help="the last figures, without measuring")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - {*SCENARIOS}:
        known = ", ".join(SCENARIOS)
        parser.error(f"There is no scenario {', '.join(unknown)}. There are: {known}.")
    return options


def results() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return kept


def keep(scenario: str, rows: list[Row], machine: dict[str, Any], commit: str) -> None:
    """In place of this scenario's earlier figures; those of the others stay."""
    now = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": commit,
        "machine": machine,
        "figures": [row.as_dict() for row in rows],
    }
    everything = {**results(), scenario: now}
    ordered = {name: everything[name] for name in SCENARIOS if name in everything}
    RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def shown() -> str:
    kept = results()
    origins = [
        f"* `{name}`: {run['measured']}, commit {run['commit']}, on {about(run['machine'])}."
        for name, run in kept.items()
    ]
    figures = [figure for run in kept.values() for figure in run["figures"]]
    return "\n".join([table(figures), *origins])


if __name__ == "__main__":
    main()
