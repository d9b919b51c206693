"""A real browser, a process of its own: a pointer moves over the capture page, and a second window
shows that session in the admin.

In both, the page itself takes the time: when the pointer was moved, and when a frame had been drawn
after the page had said (`eye:drawn`) up to when its charts now show the data.
"""

import json
import sys
from collections.abc import Sequence
from time import monotonic, perf_counter

from playwright.sync_api import BrowserContext, Page, sync_playwright

from bench.chromium import chromium_path, launch_arguments, no_chromium

# When it was drawn, and up to when its charts show the data; both in ms since 1970.
type Frame = tuple[float, float]
# The tracker's clock may lie so far beside the page's, in ms; samples are further apart.
CLOCKS_MS = 5.0
MOVES_A_SECOND = 60
PATIENCE_SECONDS = 30.0
TIMES = """
window.moved = [];
window.drawn = [];
const now = () => performance.timeOrigin + performance.now();
addEventListener("pointermove", (event) => {
  window.moved.push(performance.timeOrigin + event.timeStamp);
}, true);
document.addEventListener("eye:drawn", ({ detail }) => {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.drawn.push([now(), detail.data_until]);
    port2.postMessage(null);
  });
});
"""


def main(port: int, cookie: str, seconds: float) -> None:
    """Says "moving" when it begins, and then for each page how late each sample was, in ms."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=launch_arguments()
        )
        url = f"http://127.0.0.1:{port}"
        name, _, value = cookie.partition("=")
        analyst = browser.new_context()
        analyst.add_cookies([{"name": name, "value": value, "url": url}])
        capture = opened(browser.new_context(), url)
        move(capture, 1.0)
        shown_until(capture, 1.0)
        session = capture.inner_text("#session")
        admin = opened(analyst, f"{url}/admin/tracking/session/{session}/change/")
        shown_until(admin, 1.0)
        capture.evaluate("moved.length = 0")
        print("moving", flush=True)
        move(capture, seconds)
        moved: list[float] = capture.evaluate("moved")
        last = moved[-1] - CLOCKS_MS
        pages = {"capture page": capture, "admin": admin}
        late = {name: lateness(shown_until(page, last), moved) for name, page in pages.items()}
        print(json.dumps(late))


def opened(context: BrowserContext, url: str) -> Page:
    context.add_init_script(TIMES)
    page = context.new_page()
    page.goto(url)
    return page


def move(page: Page, seconds: float) -> None:
    """In a wide zigzag, as fast as a hand."""
    began = perf_counter()
    for n in range(round(seconds * MOVES_A_SECOND)):
        page.mouse.move(200 + abs(n * 9 % 1_400 - 700), 200 + abs(n * 4 % 600 - 300))
        due = began + (n + 1) / MOVES_A_SECOND
        page.wait_for_timeout(max(0.0, due - perf_counter()) * 1000)


def shown_until(page: Page, moment: float) -> list[Frame]:
    """The frames drawn so far, once one shows the data up to `moment`."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        drawn: list[Frame] = page.evaluate("drawn")
        if drawn and drawn[-1][1] >= moment:
            return drawn
        page.wait_for_timeout(50)
    raise RuntimeError(f"{page.url} did not show the newest data within {PATIENCE_SECONDS:.0f} s.")


def lateness(frames: Sequence[Frame], moved: Sequence[float]) -> list[float]:
    """How long after each move the first frame was drawn that shows it, in ms.

    Both ascending; the last frame shows the last move.
    """
    coming = iter(frames)
    drawn_at, until = next(coming)
    late = []
    for moment in moved:
        while until < moment - CLOCKS_MS:
            drawn_at, until = next(coming)
        late.append(drawn_at - moment)
    return late


if __name__ == "__main__":
    if chromium_path() is None:
        raise SystemExit(no_chromium())
    main(**json.loads(sys.argv[1]))
