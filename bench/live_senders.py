"""Live sessions: a process that sends as `eye.js` does, a connection for each session.

Every 400 ms a session sends the path of a pointer that is sampled 60 times a second.
"""

import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from time import perf_counter, sleep
from uuid import uuid4

from bench import events, stage

EVERY_SECONDS = 0.4
SAMPLES_A_SECOND = 60
SAMPLES = round(EVERY_SECONDS * SAMPLES_A_SECOND)
HEADERS = {"Content-Type": "application/json"}


def main(port: int, key: str, sessions: int) -> None:
    """Until it is killed, or a session fails; says "ready" when each has sent something."""
    threading.excepthook = give_up
    senders = [Sender(stage.connected(port), key) for _ in range(sessions)]
    for sender in senders:
        sender.send()
    for number, sender in enumerate(senders):
        # The sessions do not know of each other: their requests lie evenly apart.
        wait = EVERY_SECONDS * number / sessions
        threading.Thread(target=sender.run, args=(wait,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def give_up(failed: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(failed)
    os._exit(1)


class Sender:
    def __init__(self, connection: HTTPConnection, key: str) -> None:
        self.connection = connection
        self.headers = {**HEADERS, "X-Eye-Key": key}
        self.session = str(uuid4())
        self.sent = 0

    def run(self, wait: float) -> None:
        due = perf_counter() + wait
        while True:
            sleep(max(0.0, due - perf_counter()))
            self.send()
            due += EVERY_SECONDS

    def send(self) -> None:
        body = events.text([self.path(datetime.now(UTC))])
        self.connection.request("POST", "/api/events", body, self.headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"Not accepted: {said.decode(errors='replace')}")

    def path(self, now: datetime) -> dict[str, object]:
        """The last 400 ms."""
        frames = range(self.sent, self.sent + SAMPLES)
        self.sent += SAMPLES
        data = {
            "t": [round(1000 * n / SAMPLES_A_SECOND, 1) for n in range(SAMPLES)],
            "x": [abs(n * 11 % 2_400 - 1_200) for n in frames],
            "y": [abs(n * 5 % 1_400 - 700) for n in frames],
            "viewport": {"w": 1280, "h": 800},
            "page": {"path": "/", "w": 1280, "h": 2400, "scroll_x": 0, "scroll_y": 0},
        }
        start = now - timedelta(seconds=EVERY_SECONDS)
        return {
            "session_id": self.session,
            "category": "pointer",
            "name": "path",
            "timestamp": start.isoformat(),
            "data": data,
        }


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
