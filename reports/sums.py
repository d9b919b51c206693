"""Sums that are added up here, and kept as rows of models.Contributed."""

from collections import defaultdict
from collections.abc import Mapping

from reports.sketch import merged
from tracking.kind_counts import Counts, KindCounts

NUMBERS = (
    "events",
    "sessions_started",
    "sessions_ended",
    "distance_px",
    "moving_us",
    "samples",
)


# More packed sketches than this are made one.
LOOSE = 64


class Sum:
    """Numbers by their names, errors by their codes, events by kinds, and sketches of speeds."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = defaultdict(int)
        self.errors: dict[str, int] = defaultdict(int)
        self.kinds = KindCounts()
        self._added: list[bytes] = []
        self._taken: list[bytes] = []

    def add(self, numbers: Mapping[str, float], speeds: bytes = b"", sign: int = 1) -> None:
        for name, number in numbers.items():
            self.numbers[name] += sign * number
        if speeds:
            loose = self._added if sign > 0 else self._taken
            loose.append(speeds)
            if len(loose) > LOOSE:
                loose[:] = [merged(b"".join(loose))]

    def add_errors(self, errors: Mapping[str, int]) -> None:
        for code, number in errors.items():
            self.errors[code] += number

    def add_kinds(self, kinds: Counts) -> None:
        self.kinds.merge(kinds)

    def add_to_kinds(self, earlier: Counts) -> None:
        """What was counted earlier keeps its room."""
        kinds = KindCounts(earlier)
        kinds.merge(self.kinds.counts)
        self.kinds = kinds

    def speeds(self) -> bytes:
        return merged(b"".join(self._added), b"".join(self._taken))
