"""GET /api/events on ten million events: filtered by session, by category, by time range."""

import random
from datetime import timedelta
from hashlib import md5
from typing import Any
from uuid import UUID

from bench import stage
from bench.asking import Asker, Case, Question
from bench.figures import Row
from bench.filled import APPLICATIONS, CATEGORIES, EVENTS_A_SESSION, MONTHS, Filled, filled
from bench.processes import Processes

NAME = "lists"
PAGE = 100
EVENTS, RUNS = 10_000_000, 300
QUICK_EVENTS, QUICK_RUNS = 20_000, 2


def run(processes: Processes, quick: bool) -> list[Row]:
    events, runs = (QUICK_EVENTS, QUICK_RUNS) if quick else (EVENTS, RUNS)
    (port,) = processes.only("web")
    there = filled(events)
    key = stage.sender("application 1").key
    asker = Asker(stage.connected(port), {"Authorization": f"Bearer {key}"})
    return asker.compare(NAME, cases(there), runs)


def cases(there: Filled) -> dict[str, Case]:
    from django.utils.timezone import now

    from tracking.ids import first_id_at

    dice = random.Random(1)

    def question(asked: dict[str, object], condition: str, *values: Any) -> Question:
        select = f"SELECT * FROM tracking_event WHERE application_id = %s AND {condition}"
        paged = {**asked, "page_size": PAGE}
        first = f"{select} ORDER BY id LIMIT {PAGE}"
        return Question("/api/events", paged, first, [there.applications[0], *values])

    def moment() -> Any:
        return now() - timedelta(seconds=dice.random() * 86_400 * 30 * MONTHS)

    def session() -> Question:
        id = random_session(there, dice)
        return question({"session": id}, "session_id = %s", id)

    def category() -> Question:
        value = random_category(dice)
        return question({"category": value}, "category = %s", value)

    def time_range() -> Question:
        first, last = sorted((moment(), moment()))
        asked = {"timestamp_after": first.isoformat(), "timestamp_before": last.isoformat()}
        return question(asked, "id BETWEEN %s AND %s", first_id_at(first), first_id_at(last))

    def category_in_time() -> Question:
        first, value = moment(), random_category(dice)
        asked = {"category": value, "timestamp_after": first.isoformat()}
        return question(asked, "category = %s AND id >= %s", value, first_id_at(first))

    return {
        "session": session,
        "category": category,
        "time range": time_range,
        "category and time": category_in_time,
    }


def random_session(there: Filled, dice: random.Random) -> str:
    """One of the first application's, as `filled` names them."""
    number = dice.randrange(there.events // EVENTS_A_SESSION // APPLICATIONS) * APPLICATIONS
    name = f"session{number}".encode()
    return str(UUID(md5(name, usedforsecurity=False).hexdigest()))


def random_category(dice: random.Random) -> str:
    return f"category {dice.randrange(CATEGORIES)}"
