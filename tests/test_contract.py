"""The API held to its own OpenAPI document, by requests that schemathesis makes up."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from reports import builder
from tests.cast import Sender, event, path
from tests.processes import Process
from tracking.api.readers import document

ROOT = Path(__file__).resolve().parents[1]
SECONDS = os.environ.get("EYE_FUZZ_SECONDS", "")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_the_document_in_the_repository_is_the_one_that_is_served() -> None:
    """Who changes the API sees in the diff what changes for others: `make openapi` writes it."""
    kept = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert kept == json.loads(json.dumps(document())), "Run `make openapi` and commit the result."


@pytest.mark.flow
def test_nothing_contradicts_the_document(
    web: Process, worker: Process, shop: Sender, session: UUID, tmp_path: Path
) -> None:
    line = path(session, 1, [0.0, 16.0, 32.0], [0.0, 10.0, 20.0], [0.0, 0.0, 0.0])
    shop.send(event(session), line, event(session, data={}))
    builder.build_stale()
    # Always the same requests, unless somebody asks for a long run: make fuzz.
    bounds = ["--max-time", SECONDS] if SECONDS else ["--max-examples", "10", "--seed", "1"]
    run = subprocess.run(
        [
            str(SCHEMATHESIS),
            *("--config-file", str(ROOT / "schemathesis.toml")),
            *("run", f"{web.url}/api/schema"),
            *("--header", f"Authorization: Bearer {shop.key}"),
            *("--checks", "all"),
            *("--suppress-health-check", "all"),  # they are about how fast the requests are made
            *bounds,
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
