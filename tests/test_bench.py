"""The benchmarks run, on a few rows: that they do, not how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import RESULTS, SCENARIOS
from bench.chromium import chromium_path
from bench.figures import Row, at_least, at_most, ratio_at_least, ratio_at_most, table
from bench.live_browser import lateness

ROOT = Path(__file__).resolve().parents[1]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def lines(text: str) -> list[list[str]]:
    """The cells of each row of a Markdown table that fits on a screen."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert max(map(len, rows)) <= 120
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_scenario_runs_and_gives_figures() -> None:
    before = RESULTS.read_bytes()
    possible = [name for name in SCENARIOS if name != "live" or chromium_path()]
    run = bench("--quick", *possible)
    assert run.returncode == 0, run.stderr
    rows = lines(run.stdout)[2:]
    assert list(dict.fromkeys(scenario for scenario, *_ in rows)) == possible
    assert RESULTS.read_bytes() == before, "what --quick measures is not worth keeping"


def test_the_kept_figures_can_be_shown() -> None:
    shown = bench("--show")
    assert shown.returncode == 0, shown.stderr
    kept = json.loads(RESULTS.read_text())
    assert len(lines(shown.stdout)) == 2 + sum(len(run["figures"]) for run in kept.values())


def test_an_unknown_scenario_is_refused_with_those_there_are() -> None:
    run = bench("lost")
    assert run.returncode == 2
    assert "admin_lists" in run.stderr


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("s", "c", 6.0, "ms"), None),
        (Row("s", "c", 6.0, "ms", goal=at_most(6)), True),
        (Row("s", "c", 6.1, "ms", goal=at_most(6)), False),
        (Row("s", "c", 6.0, "rows/s", goal=at_least(7)), False),
        (Row("s", "c", 6.0, "rows/s", "COPY", 10.0, ratio_at_least(0.6)), True),
        (Row("s", "c", 5.9, "rows/s", "COPY", 10.0, ratio_at_least(0.6)), False),
        (Row("s", "c", 6.0, "ms", "COPY", 10.0, ratio_at_most(0.5)), False),
        (Row("s", "c", 6.0, "ms", "COPY", None, ratio_at_most(0.5)), False),
    ],
)
def test_a_goal_is_of_the_value_or_of_its_ratio_to_the_limit(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_a_table_shows_what_the_figures_are_and_what_limits_them() -> None:
    row = Row(
        "digest", "batches of 20", 54_321.9, "events/s", "COPY", 98_765.4, ratio_at_least(0.6)
    )
    text = table([row.as_dict()])
    expected = ["digest", "batches of 20", "54,322", "events/s", "98,765", "0.55", "≥ 0.6 ×", "NO"]
    assert lines(text)[2:] == [expected]
    assert text.endswith("* The limit of `digest` is COPY.")


def test_a_move_is_as_late_as_the_first_frame_that_shows_it() -> None:
    frames = [(1_400.0, 1_050.0), (1_500.0, 1_050.0), (1_900.0, 1_450.0)]
    assert lateness(frames, [1_000.0, 1_048.0, 1_100.0, 1_452.0]) == [400.0, 352.0, 800.0, 448.0]
