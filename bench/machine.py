"""On what a figure was taken: the machine, and the commit."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def about(machine: dict[str, Any]) -> str:
    text = "{cpus} CPUs ({processor}), {memory}, Python {python}; load before: {load_before}"
    return text.format(**machine)


def commit() -> str:
    """Of the code measured, with a plus where it has been changed since."""
    argv = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip()


def machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "processor": processor(),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
