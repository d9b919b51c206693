"""A process that digests what waits, as a worker does, whenever it is told to.

with digester() as digest:
    seconds, events = digest()
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from time import perf_counter

from bench.script import Script

# Empties the inbox: how long that took, of how many events.
type Digest = Callable[[], tuple[float, int]]


@contextlib.contextmanager
def digester() -> Iterator[Digest]:
    script = Script("bench.digesting")

    def digest() -> tuple[float, int]:
        script.tell("now")
        seconds, events = json.loads(script.line())
        return seconds, events

    try:
        yield digest
    finally:
        script.end()


def main() -> None:
    import django

    django.setup()
    for _ in sys.stdin:
        print(json.dumps(empty_the_inbox()), flush=True)


def empty_the_inbox() -> tuple[float, int]:
    from tracking.digest import digest_until_empty

    began = ended = perf_counter()
    events = 0
    while found := digest_until_empty()["events"]:
        ended = perf_counter()
        events += found
    return ended - began, events


if __name__ == "__main__":
    main()
