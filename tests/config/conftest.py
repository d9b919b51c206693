import os
from collections.abc import Callable
from pathlib import Path

import pytest
from config import children

Environment = Callable[..., dict[str, str]]
REPLACING = ("DATABASE_URL", "CELERY_BROKER_URL", "CACHE_URL", "EYE_SECRET_KEY")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """The environment of a newcomer: nothing is set but where the data shall be."""

    def make(**more: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name not in REPLACING}
        return children.environment(plain | {"EYE_DATA_DIR": str(tmp_path / "data")} | more)

    return make


def processes_of(data_dir: Path) -> list[str]:
    """Whatever was started with this data folder in its environment and still runs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inherited = (process / "environ").read_bytes().split(b"\0")
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"EYE_DATA_DIR={data_dir}".encode() in inherited and state != "Z":
            found.append(f"{process.name} {command}")
    return found
