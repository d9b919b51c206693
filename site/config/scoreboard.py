"""The folder where the web processes of one server keep their counters, for each other to read."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

from config import embedded

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share(environ: MutableMapping[str, str]) -> None:
    """Names the folder to prometheus_client, which must not have been imported yet.

    The processes that serve together are the children of one parent. Without a folder to be had,
    each of them shows what it counted itself.
    """
    chosen = environ.pop(VARIABLE, None)
    with contextlib.suppress(OSError):
        folder = Path(chosen) if chosen else _of_this_family()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trusted = chosen or embedded.is_private(folder)
        if trusted and os.access(folder, os.W_OK):
            environ[VARIABLE] = str(folder)


def _of_this_family() -> Path:
    places = Path(tempfile.gettempdir())
    family = f"eye-metrics-{os.geteuid()}"
    _remove_orphans(places, family)
    return places / f"{family}-{os.getppid()}"


def _remove_orphans(places: Path, family: str) -> None:
    """The folders of parents that have ended."""
    for folder in places.glob(f"{family}-*"):
        parent = folder.name.rpartition("-")[2]
        if parent.isdecimal() and not _lives(int(parent)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
