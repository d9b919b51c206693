"""Brings bodies to one web process, and keeps the journal about it."""

import http.client
import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from ledger.author import Author, Body
from ledger.journal import NO_ANSWER, Expected, Journal, expected
from tracking.event_types import Types

# A client of its own patience: whatever the service does, it does not wait for longer.
TIMEOUT_SECONDS = 5.0
AGAIN_SECONDS = 0.3
# How often in a hundred a client that got no answer leaves it at that.
GIVES_UP = 10
LAST_BODY_SECONDS = 30.0
REFUSED = range(400, 500)
FINAL = set(REFUSED) - {429}


@dataclass
class Courier:
    """One connection that is kept alive, and made anew when it was cut."""

    port: int
    journal: Journal
    types: Types
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=TIMEOUT_SECONDS
        )

    def bring(self, body: Body, leaves: Callable[[bool], bool]) -> list[Expected]:
        """Sends the same body until it is accepted; what it held.

        `leaves` is asked before each further try, and told whether the last one may have been
        accepted. Where the client leaves it at that, or is told that its body is wrong, nothing.
        """
        events = expected(body, self.types)
        number = self.journal.sends(events)
        while True:
            status, receipt = self._post(body)
            self.journal.was_answered(number, status, receipt, len(events))
            if receipt:
                return events
            if status in FINAL or leaves(status not in REFUSED):
                return []
            time.sleep(AGAIN_SECONDS)

    def _post(self, body: Body) -> tuple[int, UUID | None]:
        headers = {
            "Authorization": f"Bearer {body.key.text}",
            "Content-Type": "application/json",
            **({"Content-Encoding": "gzip"} if body.packed else {}),
        }
        try:
            self.connection.request("POST", "/api/events", body.raw(), headers)
            with self.connection.getresponse() as response:
                text = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return NO_ANSWER, None
        receipt = UUID(json.loads(text)["receipt"]) if response.status == 202 else None
        return response.status, receipt


class Shift:
    """The time in which senders work; what they have begun they may finish for a while longer."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.last_call = math.inf

    def end(self) -> None:
        self.last_call = time.monotonic() + LAST_BODY_SECONDS
        self.over.set()


@dataclass
class Sender:
    """An author, a courier, and how fast they work."""

    author: Author
    courier: Courier
    events_a_second: float
    shift: Shift

    def work(self) -> None:
        dice = Random(f"{self.author.seed} client {self.author.number}")

        def leaves(unsure: bool) -> bool:
            tired = unsure and dice.random() * 100 < GIVES_UP
            return tired or time.monotonic() > self.shift.last_call

        while not self.shift.over.is_set():
            body = self.author.body()
            self.courier.bring(body, leaves)
            pause = len(body.events) / self.events_a_second * dice.uniform(0.5, 1.5)
            self.shift.over.wait(pause)
