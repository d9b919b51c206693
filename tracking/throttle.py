"""How many events a key may send in a clock minute, counted once for all web processes.

The counts are in the cache's server. While it is away, and where there is none, each process
counts for itself, from what it knew last. No request waits for a server that does not answer,
but those that come in the tenth of a second in which that is found out.
"""

import logging
import math
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from secrets import randbelow
from threading import Lock, Thread, local
from time import sleep, time
from typing import Any

from django.conf import settings
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from tracking import metrics
from tracking.api.errors import ApiError
from tracking.keys import Caller

logger = logging.getLogger(__name__)

MINUTE = 60
# Clocks of web hosts differ: a count outlives its minute.
COUNT_LIVES_SECONDS = 2 * MINUTE
ANSWER_SECONDS = 0.1
# How long a server that did not answer is left alone before it is asked again.
PAUSE_SECONDS = 1.0
# Those who were refused do not all come back in the same second.
JITTER_SECONDS = 5

# A server that forgot, because it restarted or ran out of memory, goes on from what is known.
ADD = """
local count = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[4]))
local events, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
if count + events > limit then return {0, count} end
redis.call('SET', KEYS[1], count + events, 'EX', ARGV[3])
return {1, count + events}
"""

# A key's id, and a minute since 1970.
type Slot = tuple[int, int]


def check(caller: Caller, moment: float | None = None) -> None:
    """Refuses a key that is known to have used up its minute, before its body is read.

    Asks nobody. Raises `ApiError`.
    """
    moment = time() if moment is None else moment
    if _is_spent(caller, moment):
        raise _counted(caller, _refusal(caller, moment, _spent(caller)))


def take(caller: Caller, events: int, moment: float | None = None) -> None:
    """Counts the events of one request for its key, all of them or, raising `ApiError`, none.

    `moment` is in seconds since 1970; by default it is now.
    """
    if refusal := take_all([(caller, events)], moment)[0]:
        raise refusal


def take_all(
    requests: Sequence[tuple[Caller, int]], moment: float | None = None
) -> list[ApiError | None]:
    """The same for several requests; for each of them, why it is refused.

    Those of one key are counted together, if together they fit.
    """
    moment = time() if moment is None else moment
    of_key: dict[int, list[int]] = {}
    for place, (caller, _) in enumerate(requests):
        of_key.setdefault(caller.key_id, []).append(place)
    refusals: list[ApiError | None] = [None] * len(requests)
    for places in of_key.values():
        caller, events = requests[places[0]][0], sum(requests[place][1] for place in places)
        together = _take(caller, events, moment)
        if together is None:
            continue
        for place in places:
            refusal = together if len(places) == 1 else _take(*requests[place], moment)
            if refusal:
                refusals[place] = _counted(caller, refusal)
    return refusals


def _take(caller: Caller, events: int, moment: float) -> ApiError | None:
    limit = caller.events_per_minute
    if events > limit:
        return _refusal(caller, moment, _too_large(caller, events))
    if _is_spent(caller, moment, events) or not _fits(_slot(caller, moment), events, limit):
        return _refusal(caller, moment, _spent(caller))
    return None


def _is_spent(caller: Caller, moment: float, events: int = 1) -> bool:
    """Whether so many are known to be too many: within a minute, counts only grow."""
    return _here.count(_slot(caller, moment)) + events > caller.events_per_minute


def _counted(caller: Caller, refusal: ApiError) -> ApiError:
    metrics.throttled(caller.publishable)
    return refusal


def forget() -> None:
    """Drops what this process has counted, and its opinion of the server."""
    _here.clear()
    _shared.cache_clear()


def _slot(caller: Caller, moment: float) -> Slot:
    return caller.key_id, int(moment // MINUTE)


def _fits(slot: Slot, events: int, limit: int) -> bool:
    shared = _shared()
    answer = shared.add(slot, events, limit, _here.count(slot)) if shared else None
    if answer is None:
        return _here.add(slot, events, limit)
    fits, count = answer
    _here.note(slot, count)
    return fits


def _spent(caller: Caller) -> str:
    return (
        f"This key may send {caller.events_per_minute:,} events a minute, and these are more. "
        "Nothing of this request was kept; Retry-After says for how many seconds to wait."
    )


def _too_large(caller: Caller, events: int) -> str:
    return (
        f"This request holds {events:,} events, and this key may send "
        f"{caller.events_per_minute:,} in a whole minute. Waiting will not help: send smaller ones."
    )


def _refusal(caller: Caller, moment: float, message: str) -> ApiError:
    left = math.ceil(MINUTE - moment % MINUTE)
    return ApiError("too_many_requests", message, retry_after=left + randbelow(JITTER_SECONDS + 1))


class Here:
    """What this process knows: the latest count of each key that sent in this minute."""

    def __init__(self) -> None:
        self.counts: dict[Slot, int] = {}
        self.minute = 0
        self.lock = Lock()

    def count(self, slot: Slot) -> int:
        return self.counts.get(slot, 0)

    def add(self, slot: Slot, events: int, limit: int) -> bool:
        with self.lock:
            count = self.count(slot) + events
            if count <= limit:
                self._keep(slot, count)
            return count <= limit

    def note(self, slot: Slot, count: int) -> None:
        """A count of the server's. Answers may overtake one another; counts only grow."""
        with self.lock:
            self._keep(slot, max(count, self.count(slot)))

    def clear(self) -> None:
        with self.lock:
            self.counts, self.minute = {}, 0

    def _keep(self, slot: Slot, count: int) -> None:
        if slot[1] > self.minute:
            self.minute = slot[1]
            self.counts = dict(_of_minute(self.counts.items(), self.minute))
        self.counts[slot] = count


def _of_minute(counts: Iterable[tuple[Slot, int]], minute: int) -> Iterable[tuple[Slot, int]]:
    return ((slot, count) for slot, count in counts if slot[1] >= minute)


class Shared:
    """The counts that all web processes share."""

    def __init__(self, url: str) -> None:
        self.server = ConnectionPool.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self.own = local()
        self.away = False
        self.lock = Lock()

    def add(self, slot: Slot, events: int, limit: int, known: int = 0) -> tuple[bool, int] | None:
        """Whether the events fitted in, and how many there are now; None if nobody answers."""
        if self.away:
            return None
        key = "eye:events:{}:{}".format(*slot)
        try:
            connection = self._connection()
            arguments = events, limit, COUNT_LIVES_SECONDS, known
            connection.send_command("EVAL", ADD, 1, key, *arguments)
            fits, count = connection.read_response()
        except RedisError as error:
            self.own.connection = None
            self._leave_alone(error)
            return None
        return bool(fits), count

    def _connection(self) -> Any:
        """This thread's own: to take one from the pool and back costs more than to ask."""
        own = getattr(self.own, "connection", None)
        if own is None or own.pid != os.getpid() or _is_stale(own):
            own = self.server.connection_class(**self.server.connection_kwargs)
            self.own.connection = own
        return own

    def _leave_alone(self, error: RedisError) -> None:
        with self.lock:
            if self.away:
                return
            self.away = True
        logger.warning(
            "The cache does not count events (%s); until it does, each web process counts its own",
            type(error).__name__,
        )
        Thread(target=self._look_until_back, name="throttle", daemon=True).start()

    def _look_until_back(self) -> None:
        while self.away:
            sleep(PAUSE_SECONDS)
            try:
                self._look()
            except RedisError:
                logger.debug("The cache is still away", exc_info=True)
            except Exception:
                logger.exception("What CACHE_URL names gives no answer of a Redis or Valkey")

    def _look(self) -> None:
        probe = self.server.connection_class(**self.server.connection_kwargs)
        try:
            probe.send_command("PING")
            probe.read_response()
            self.away = False
        finally:
            probe.disconnect()


def _is_stale(connection: Any) -> bool:
    """Whether the server has closed it since its last use: it restarted, or lets nobody idle."""
    try:
        return bool(connection.can_read())
    except (RedisError, OSError):
        return True


_here = Here()


@cache
def _shared() -> Shared | None:
    """None where no cache is shared. Of several servers the first is the one written to."""
    if not settings.EYE_SHARED_CACHE:
        return None
    return Shared(re.split("[;,]", settings.CACHES["default"]["LOCATION"])[0])
