"""The thresholds of the metrics, and the name of the algorithm that uses them."""

from dataclasses import asdict, dataclass
from functools import cache
from hashlib import blake2b

import msgspec

VERSION = 2
# A session with more events to be folded than this is built alone, and one such at a time, so that
# there are other processes for the others.
LONG_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Parameters:
    """Whole numbers only, so that a parameter has one spelling and one fingerprint."""

    gap_ms: int = 500
    rage_clicks: int = 3
    rage_ms: int = 1_000
    rage_px: int = 30
    flip_px: int = 10
    coarse_ms: int = 50
    teleport_speed: int = 50_000
    active_gap_ms: int = 30_000
    skew_ms: int = 60_000
    kinds: int = 500
    max_samples: int = 8_000_000
    max_minutes: int = 50_000
    max_seconds: int = 250_000

    @property
    def version(self) -> str:
        """The algorithm and a fingerprint of every parameter, such as `1:ab12cd34`."""
        return f"{VERSION}:{self.fingerprint()}"

    def fingerprint(self) -> str:
        return _fingerprint(self)


@cache
def _fingerprint(parameters: Parameters) -> str:
    text = msgspec.json.encode(asdict(parameters), order="sorted")
    return blake2b(text, digest_size=4).hexdigest()


# What every report is made with.
PARAMETERS = Parameters()
