from collections.abc import Callable
from typing import Any

# Of eight bytes each. CPython gives a frame that says so 512 KiB, half of them for those that it
# calls; what they do not come to is never touched.
SLOTS = 2**15


def roomy[F: Callable[..., Any]](work: F) -> F:
    """The function, such that it and all that it calls have their frames in one piece of memory.

    Otherwise CPython takes one of 16 KiB for every hundred frames or so, and gives it back when the
    first of them returns. Templates call each other some hundred deep: where a loop stands at the
    edge, each of its ten thousand small calls would map a piece and unmap it.
    """
    function: Any = work
    function.__code__ = function.__code__.replace(co_stacksize=SLOTS)
    return work
