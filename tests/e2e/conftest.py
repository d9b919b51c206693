"""A real Chromium, and what happened in it when a test failed (in test-artifacts/)."""

import os
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    sync_playwright,
)

from bench.chromium import chromium_path, launch_arguments, no_chromium
from tests.processes import Process
from tests.waiting import until

T = TypeVar("T")
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
PAGE_REFERENCE = """
window.reference = [];
window.coalesced = [];
addEventListener("pointermove", (event) => {
  const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  window.coalesced.push(all.length);
  for (const sample of all.length ? all : [event]) {
    window.reference.push([sample.clientX, sample.clientY]);
  }
}, true);
"""


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, or fails where it must not be."""
    if path := chromium_path():
        return path
    reason = no_chromium()
    if os.environ.get("EYE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def playwright(chromium: str) -> Iterator[Playwright]:
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop runs in this thread; Django takes that for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium, args=launch_arguments())
    yield browser
    browser.close()


failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[failed] = item.stash.get(failed, False) or report.failed
    return report


@dataclass
class Visitor:
    """Somebody's browser window, and all that went wrong in it."""

    context: BrowserContext
    page: Page
    web: Process
    said: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self.hear)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.said.append(message.text)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.web.url + path)

    def session(self) -> UUID:
        return UUID(self.page.inner_text("#session"))

    def wait_for(self, look: Callable[[], T]) -> T:
        """As `until`, with the page going on meanwhile."""

        def look_later() -> T:
            self.page.wait_for_timeout(50)
            return look()

        return until(look_later)

    def move_along(self, points: list[tuple[float, float]], steps: int = 20) -> None:
        """Straight from point to point, at about the pace of a hand."""
        self.page.mouse.move(*points[0])
        for (x0, y0), (x1, y1) in pairwise(points):
            for step in range(1, steps + 1):
                part = step / steps
                self.page.mouse.move(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)
                self.page.wait_for_timeout(4)

    def reference(self) -> list[list[float]]:
        """All pointer samples that this page saw, by a listener of the test's own."""
        samples: list[list[float]] = self.page.evaluate("window.reference")
        return samples

    def until(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page as soon as it is true."""
        return self.wait_for(lambda: self.page.evaluate(expression))


@pytest.fixture
def window(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The browser window's size and kind; `parametrize` it, indirectly, for another."""
    return getattr(request, "param", {"viewport": {"width": 1280, "height": 800}})


@pytest.fixture
def visitor(
    request: pytest.FixtureRequest,
    transactional_db: None,
    browser: Browser,
    web: Process,
    window: dict[str, Any],
) -> Iterator[Visitor]:
    context = browser.new_context(**window)
    context.tracing.start(snapshots=True)
    context.add_init_script(PAGE_REFERENCE)
    visitor = Visitor(context, context.new_page(), web)
    yield visitor
    if request.node.stash.get(failed, False):
        keep(visitor, request.node.name)
    else:
        context.tracing.stop()
    context.close()


def keep(visitor: Visitor, test: str) -> None:
    name = re.sub(r"[^\w.-]+", "-", test)
    ARTIFACTS.mkdir(exist_ok=True)
    visitor.page.screenshot(path=ARTIFACTS / f"{name}.png")
    visitor.context.tracing.stop(path=ARTIFACTS / f"{name}.zip")
