"""The fold of one session's pointer samples, in one process."""

import json
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import UUID

from bench.events import some_time_ago
from bench.figures import Row, at_least, middle
from bench.processes import Processes

if TYPE_CHECKING:
    from reports.fold import FoldEvent

NAME = "fold"
LIMIT = "decoding the JSON of the same events with msgspec into the same structs, and nothing else"
# As eye.js sends them: a path a second, a sample for each frame.
PATH_SAMPLES = 60
FRAME_MS = 16


def run(processes: Processes, quick: bool) -> list[Row]:
    import msgspec

    from reports.fold import fold_in_order
    from reports.parameters import PARAMETERS
    from reports.samples import PointerPath

    rounds, samples = (1, 30_000) if quick else (6, 3_000_000)
    events = session(samples)
    paths = [event.data for event in events]
    decode = msgspec.json.Decoder(PointerPath).decode
    rates: list[tuple[float, float]] = []
    for _ in range(rounds):
        began = perf_counter()
        result = fold_in_order(None, events, PARAMETERS)
        between = perf_counter()
        for data in paths:
            decode(data)
        rates.append((samples / (between - began), samples / (perf_counter() - between)))
    if result.state.pointer.samples != samples:
        raise RuntimeError("The fold has left samples out.")
    value, limit = map(middle, zip(*rates, strict=True))
    return [Row(NAME, "a session's samples", value, "samples/s", LIMIT, limit, at_least(2_000_000))]


def session(samples: int) -> "list[FoldEvent]":
    """A path a second."""
    from reports.fold import FoldEvent

    start = some_time_ago()
    return [
        FoldEvent(UUID(int=n), start + timedelta(seconds=n), "pointer", "path", path(n))
        for n in range(samples // PATH_SAMPLES)
    ]


def path(n: int, samples: int = PATH_SAMPLES) -> str:
    """The n-th part of a movement to and fro, with rests."""
    frames = [n * samples + i for i in range(samples)]
    data = {
        "t": [FRAME_MS * i + (i % 3) / 10 for i in range(samples)],
        "x": [abs(frame * 7 % 2_600 - 1_300) if frame % 10 else 640 for frame in frames],
        "y": [abs(frame * 3 % 1_700 - 850) + frame % 4 * 0.25 for frame in frames],
        "viewport": {"w": 1_440, "h": 900},
        "page": {
            "path": f"/products/{n // 60}",
            "w": 1_440,
            "h": 4_200,
            "scroll_x": 0,
            "scroll_y": n % 60 * 40.5,
        },
    }
    return json.dumps(data, separators=(",", ":"))
