"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def until[T](look: Callable[[], T], seconds: float = 30.0) -> T:
    """What `look` gives as soon as it is true; fails with the last of it after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s, and it is still {seen!r}"
        time.sleep(0.05)
    return seen
