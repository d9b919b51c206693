"""The API held to its own OpenAPI document, by requests that schemathesis makes up."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

from django.test import Client

from reports import builder, trails
from tests.cast import Sender, event, path
from tests.processes import Process
from tracking.api.auth import session_token
from tracking.api.openapi import METHODS
from tracking.api.readers import document
from tracking.models import Event

ROOT = Path(__file__).resolve().parents[1]
SECONDS = os.environ.get("EYE_FUZZ_SECONDS", "")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_the_document_in_the_repository_is_the_one_that_is_served() -> None:
    """Who changes the API sees in the diff what changes for others: `make openapi` writes it."""
    kept = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert kept == json.loads(json.dumps(document())), "Run `make openapi` and commit the result."


def test_an_event_is_described_as_it_is_read_and_as_it_is_sent(shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    schemas = document()["components"]["schemas"]
    (read,) = shop.get("/api/events").json()["results"]
    assert set(schemas["Event"]["properties"]) == set(read)
    assert set(schemas["NewEvent"]["required"]) == set(event(session))


def test_the_file_of_reports_has_the_filters_of_their_list() -> None:
    of_list, of_file = (
        {parameter["name"] for parameter in document()["paths"][path]["get"]["parameters"]}
        for path in ("/api/reports", "/api/reports.csv")
    )
    assert of_file == of_list - {"page_size", "cursor"}


def test_the_token_of_a_session_is_named_where_it_reads(shop: Sender, session: UUID) -> None:
    shop.send(event(session))
    builder.build_stale()
    trails.compute(session)
    ids = {"sessions": session, "events": Event.objects.get().pk}
    headers = {"X-Eye-Session-Token": session_token(session)}
    for route, operations in document()["paths"].items():
        id = ids.get(route.split("/")[2], uuid4())
        address = route.replace("{id}", "1" if "errors" in route else str(id))
        for method in METHODS & operations.keys():
            answer = Client().generic(method.upper(), address, "{}", headers=headers)
            named = {"sessionToken": []} in operations[method]["security"]
            assert (answer.status_code == 200) == named, f"{method} {route}: {answer.status_code}"


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
