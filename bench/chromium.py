"""Which Chromium is driven, by the benchmarks and by the tests."""

import os
import shutil

NAMES = ("chromium", "google-chrome")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    named = os.environ.get("EYE_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def launch_arguments() -> list[str]:
    return [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def no_chromium() -> str:
    """What to say where there is none."""
    looked = os.environ.get("EYE_CHROMIUM") or " or ".join(NAMES) + " on PATH"
    return f"No Chromium found: there is no {looked}; set EYE_CHROMIUM"
