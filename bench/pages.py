"""How long the admin's pages take on a service that is filled: the server, and a browser.

    EYE_PASSWORD=… python -m bench.pages http://127.0.0.1:8000 [--user admin] [--runs 30]

Fill it first with `manage.py seed_demo`; at scale 1 it is what the goals are for. Only looks:
but for its signing in, nothing is changed.
"""

import argparse
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import cycle
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from bench.chromium import chromium_path, launch_arguments
from bench.figures import Row, at_most, percentile, table

SERVER_MS, BROWSER_MS = 150, 500
IN_A_BROWSER = 7
SESSIONS, REPORTS, EVENTS = (
    "/admin/tracking/session/",
    "/admin/reports/sessionreport/",
    "/admin/tracking/event/",
)
ERRORS, TASKS = "/admin/tracking/eventerror/", "/admin/django_celery_results/taskresult/"
NOON = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=10)
TWO_HOURS = f"?from={NOON:%Y-%m-%dT%H:%MZ}&to={NOON + timedelta(hours=2):%Y-%m-%dT%H:%MZ}"
OF_SESSIONS = (
    "",
    TWO_HOURS,
    f"{TWO_HOURS}&application=2",
    f"{TWO_HOURS}&o=-distance_px",
    "?p=200",
    "?q=ab",
    "?period=24h",
    "?application=2",
    "?live=yes",
    "?report=stale",
    "?errors=yes",
    "?rage=yes",
    "?flag=any",
    "?category=form",
    "?name=submit",
    "?name=nothing",
    "?duration_from=120&duration_to=130",
    "?distance_from=100000",
    "?speed_from=3000&errors=yes",
    "?o=-distance_px",
    "?o=distance_px",
    "?o=-speed_p95&period=7d",
    "?o=-duration_ms&application=2",
    "?o=-distance_px&p=200",
)
PAGES = {
    "/admin/": (
        "",
        "?period=15m",
        "?period=7d",
        "?period=30d",
        "?period=30d&application=2",
        TWO_HOURS,
    ),
    "/admin/dashboard.json": ("?period=24h",),
    "/admin/live/": ("",),
    "/admin/live.json": ("",),
    "/admin/errors/": ("", "?period=30d", TWO_HOURS),
    "/admin/tasks/": ("",),
    SESSIONS: (*OF_SESSIONS, "?o=-errors", "?o=-events"),
    REPORTS: (*OF_SESSIONS, "?o=-clicks", "?o=-samples"),
    EVENTS: (
        "",
        TWO_HOURS,
        "?p=200",
        "?o=timestamp",
        "?period=24h",
        "?application=2",
        "?category=form",
        "?name=submit",
        "?category=nothing",
    ),
    ERRORS: ("", TWO_HOURS, "?resolved=no", "?code=type", "?application=2"),
    "/admin/tracking/receipt/": ("", "?period=24h", "?p=200"),
    TASKS: ("", TWO_HOURS, "?status=FAILURE", "?task_name=reports.recompute", "?p=200"),
}
SESSION_PAGE = "/admin/tracking/session/{}/change/"
IN_THE_BROWSER = ("/admin/", "/admin/live/", "/admin/errors/", SESSIONS, REPORTS, EVENTS, TASKS)
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    options = arguments()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=launch_arguments()
        )
        page = signed_in(browser.new_page(), options.url, options.user)
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
        server = Server(options.url, cookie)
        ids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", server.ask(SESSIONS))
        rows = [
            *asked(server, [*dict.fromkeys(ids)], options.runs),
            *loaded(page, options.url, ids[0]),
        ]
    print(table([row.as_dict() for row in rows]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--runs", type=int, default=30)
    return parser.parse_args()


def signed_in(page: Page, url: str, user: str) -> Page:
    page.goto(f"{url}/admin/login/")
    page.fill("[name=username]", user)
    page.fill("[name=password]", os.environ["EYE_PASSWORD"])
    page.click("[type=submit]")
    page.wait_for_url(f"{url}/admin/")
    return page


class Server:
    """One connection that stays open."""

    def __init__(self, url: str, cookie: str) -> None:
        self.connection = HTTPConnection(urlsplit(url).netloc)
        self.cookie = cookie

    def ask(self, path: str) -> str:
        self.connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:500]}")
        return body

    def took(self, path: str) -> float:
        """In ms."""
        began = time.perf_counter()
        self.ask(path)
        return 1_000 * (time.perf_counter() - began)


def asked(server: Server, ids: list[str], runs: int) -> Iterator[Row]:
    """p95 of each page; of a session's page over several sessions."""
    pages = [path + query for path, queries in PAGES.items() for query in queries]
    for path in [*pages, SESSION_PAGE]:
        sessions = cycle(ids)
        times = [server.took(path.format(next(sessions))) for _ in range(runs + 3)][3:]
        yield Row("server", f"{path}, p95", percentile(times, 0.95), "ms", goal=at_most(SERVER_MS))


def loaded(page: Page, url: str, session: str) -> Iterator[Row]:
    """From the request to the end of loading, with scripts and styles; the median."""
    for path in (*IN_THE_BROWSER, SESSION_PAGE.format(session)):
        times = []
        for _ in range(IN_A_BROWSER):
            page.goto(url + path, wait_until="load")
            page.wait_for_function(f"({LOADED})() > 0")
            times.append(float(page.evaluate(LOADED)))
        goal = at_most(BROWSER_MS)
        yield Row("browser", f"{path}, loaded, p50", percentile(times, 0.5), "ms", goal=goal)


if __name__ == "__main__":
    main()
