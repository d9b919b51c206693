"""The admin's lists on ten million events and a hundred thousand sessions, as staff see them."""

import random
from typing import Any

from bench import stage
from bench.asking import Asker, Case, Question
from bench.figures import Row, at_most
from bench.filled import NAMES, Filled, filled
from bench.lists import (
    EVENTS,
    QUICK_EVENTS,
    QUICK_RUNS,
    random_category,
    random_session,
)
from bench.processes import Processes

NAME = "admin_lists"
RUNS = 50
PAGE = 50
DEEP = 100


def run(processes: Processes, quick: bool) -> list[Row]:
    events, runs = (QUICK_EVENTS, QUICK_RUNS) if quick else (EVENTS, RUNS)
    (port,) = processes.only("web")
    there = filled(events)
    asker = Asker(stage.connected(port), {"Cookie": stage.staff_cookie()})
    cases = {
        **lists("events", "tracking/event", "tracking_event", "id DESC"),
        **event_filters(there),
        **lists("sessions", "tracking/session", "tracking_session", LATEST_SESSION),
        **session_filters(there),
        **lists("reports", "reports/sessionreport", "reports_sessionreport", LATEST_REPORT),
        **report_filters(there),
    }
    return asker.compare(NAME, cases, runs, at_most(150))


LATEST_SESSION = "last_at DESC NULLS LAST, id DESC"
LATEST_REPORT = "ended_at DESC NULLS LAST, session_id DESC"


def lists(title: str, page: str, table: str, order: str) -> dict[str, Case]:
    """The first page, and one far behind it."""
    select = f"SELECT * FROM {table} ORDER BY {order} LIMIT {PAGE}"
    first = Question(f"/admin/{page}/", {}, select)
    deep = Question(f"/admin/{page}/", {"p": DEEP}, f"{select} OFFSET {PAGE * (DEEP - 1)}")
    return {title: lambda: first, f"{title}, page {DEEP}": lambda: deep}


def event_filters(there: Filled) -> dict[str, Case]:
    dice = random.Random(1)

    def question(name: str, value: object, condition: str, *values: Any) -> Question:
        select = f"SELECT * FROM tracking_event WHERE {condition} ORDER BY id DESC LIMIT {PAGE}"
        return Question("/admin/tracking/event/", {name: value}, select, values or [value])

    def application() -> Question:
        return question("application", dice.choice(there.applications), "application_id = %s")

    def category() -> Question:
        value, all = random_category(dice), there.applications
        condition = "category = %s AND application_id = ANY(%s)"
        return question("category", value, condition, value, all)

    def name() -> Question:
        value, all = f"name {dice.randrange(NAMES)}", there.applications
        return question("name", value, "name = %s AND application_id = ANY(%s)", value, all)

    def session() -> Question:
        return question("session", random_session(there, dice), "session_id = %s")

    return {
        "events of an application": application,
        "events of a category": category,
        "events of a name": name,
        "events of a session": session,
    }


OF_APPLICATION = (
    "SELECT * FROM {table} WHERE {id} IN "
    "(SELECT session_id FROM tracking_session_application WHERE application_id = %s) "
    f"ORDER BY {{order}} LIMIT {PAGE}"
)


def session_filters(there: Filled) -> dict[str, Case]:
    path, application = "/admin/tracking/session/", there.applications[0]
    of = OF_APPLICATION.format(table="tracking_session", id="id", order=LATEST_SESSION)
    select = f"SELECT * FROM tracking_session WHERE {{}} ORDER BY {LATEST_SESSION} LIMIT {PAGE}"
    stale = select.format("report_revision < revision")
    errors = select.format("error_count > 0")
    return {
        "sessions of an application": lambda: Question(
            path, {"application": application}, of, [application]
        ),
        "sessions with a stale report": lambda: Question(path, {"report": "stale"}, stale),
        "sessions with errors": lambda: Question(path, {"errors": "yes"}, errors),
    }


def report_filters(there: Filled) -> dict[str, Case]:
    path, application = "/admin/reports/sessionreport/", there.applications[0]
    table = {"table": "reports_sessionreport", "id": "session_id", "order": LATEST_REPORT}
    errors = f"SELECT * FROM reports_sessionreport WHERE errors > 0 ORDER BY {LATEST_REPORT} LIMIT {PAGE}"
    return {
        "reports of an application": lambda: Question(
            path, {"application": application}, OF_APPLICATION.format(**table), [application]
        ),
        "reports with errors": lambda: Question(path, {"errors": "yes"}, errors),
    }
