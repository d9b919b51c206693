"""Runs the scenarios and prints a table; the figures go to bench/results.json as well.

python -m bench [--quick] [SCENARIO …]
"""

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import stage
from bench.figures import Row, table

SCENARIOS = ("lists",)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    arguments.add_argument("--quick", action="store_true", help="small, to see that it runs")
    options = arguments.parse_args()
    if unknown := set(options.scenarios) - {*SCENARIOS}:
        arguments.error(f"There is no scenario {', '.join(unknown)}. There are: {SCENARIOS}.")
    rows: list[Row] = []
    with stage.services():
        for name in options.scenarios or SCENARIOS:
            print(f"== {name}", file=sys.stderr, flush=True)
            rows += import_module(f"bench.{name}").run(quick=options.quick)
    print(f"{machine()['cpus']} CPUs, {machine()['processor']}, Python {machine()['python']}")
    print(table(rows))
    if not options.quick:
        results = {"machine": machine(), "figures": [row.as_dict() for row in rows]}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def machine() -> dict[str, Any]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpus": os.cpu_count(),
        "processor": models[0] if models else platform.processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
