"""From a move of the pointer to the chart that shows it, in a real browser beside live sessions."""

import contextlib
import json
from collections.abc import Iterator

from bench import stage, watch
from bench.figures import Row, at_most, percentile
from bench.processes import Processes
from bench.script import Script
from bench.usage import Meter

NAME = "live"
SESSIONS = (1, 50)
GOAL = at_most(1_000)
type Lateness = dict[str, list[float]]


def run(processes: Processes, quick: bool) -> list[Row]:
    seconds = 2.0 if quick else 60.0
    (port,) = processes.only("up")
    rows: list[Row] = []
    for sessions in SESSIONS:
        watch.emptied()
        with others(port, sessions - 1):
            late, shares = watched(processes, port, seconds)
        many = "1 session" if sessions == 1 else f"{sessions} sessions"
        rows += times(late, many)
        rows += [Row(NAME, f"CPU, {many}, {name}", share, "% core") for name, share in shares]
    return rows


@contextlib.contextmanager
def others(port: int, sessions: int) -> Iterator[None]:
    """So many sessions send meanwhile."""
    if not sessions:
        yield
        return
    order = {"port": port, "key": stage.shop().key, "sessions": sessions}
    senders = Script("bench.live_senders", json.dumps(order))
    try:
        senders.line()
        yield
        if senders.process.poll() is not None:
            raise RuntimeError("The sessions stopped sending; why stands above.")
    finally:
        senders.end()


def watched(
    processes: Processes, port: int, seconds: float
) -> tuple[Lateness, list[tuple[str, float]]]:
    """How late each page showed each sample, in ms; and what that cost."""
    order = {"port": port, "cookie": stage.staff_cookie(), "seconds": seconds}
    browser = Script("bench.live_browser", json.dumps(order))
    try:
        browser.line()
        meter = Meter(processes)
        late: Lateness = json.loads(browser.line())
        shares = meter.shares()
        return late, [("all together", sum(shares.values())), *shares.items()]
    finally:
        browser.end()


def times(late: Lateness, many: str) -> list[Row]:
    return [
        Row(
            NAME,
            f"{page}, {many}, p{share * 100:.0f}",
            percentile(values, share),
            "ms",
            goal=GOAL if share == 0.95 else None,
        )
        for page, values in late.items()
        for share in (0.5, 0.95, 0.99)
    ]
