"""Asking for lists: over HTTP, and for the same rows by hand."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from bench import stage
from bench.figures import Goal, Row, percentile

LIMIT = "the same rows by one SELECT over a connection that is open"


@dataclass(frozen=True, slots=True)
class Question:
    path: str
    parameters: Mapping[str, object]
    # What finds the same rows.
    select: str
    values: Sequence[Any] = ()


# Another question each time: other values of the same filters.
type Case = Callable[[], Question]


@dataclass(frozen=True)
class Asker:
    connection: HTTPConnection
    headers: Mapping[str, str]

    def compare(
        self, scenario: str, cases: Mapping[str, Case], runs: int, goal: Goal | None = None
    ) -> list[Row]:
        return [self._row(scenario, name, case, runs, goal) for name, case in cases.items()]

    def _row(self, scenario: str, name: str, case: Case, runs: int, goal: Goal | None) -> Row:
        took = [self._both(case()) for _ in range(runs + runs // 5)][runs // 5 :]
        asked, by_hand = (percentile(times, 0.95) for times in zip(*took, strict=True))
        stage.say(f"{name}: {asked:.1f} ms")
        return Row(scenario, f"{name}, p95", asked, "ms", LIMIT, by_hand, goal)

    def _both(self, question: Question) -> tuple[float, float]:
        began = time.perf_counter()
        self.ask(f"{question.path}?{urlencode(question.parameters)}")
        asked = stage.milliseconds(began)
        began = time.perf_counter()
        stage.sql(question.select, question.values)
        return asked, stage.milliseconds(began)

    def ask(self, path: str) -> None:
        self.connection.request("GET", path, headers=dict(self.headers))
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:500]!r}")
