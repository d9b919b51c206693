"""The admin in a real browser, with a real server and real workers."""

import csv
import re
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as SignedIn
from django.urls import reverse
from django.utils.timezone import now
from django_celery_results.models import TaskResult

from reports import builder, rebuild
from reports.models import SessionReport
from reports.rollup import roll_up
from tests.admin_ext.cast import HOSTILE, Scene, task_result
from tests.cast import START, Sender, event, path, sender
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.e2e.test_capture import AWAY
from tests.processes import Process
from tests.waiting import until
from tracking.audit import Actor
from tracking.models import ApiKey, Session

__all__ = ["browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "owner of the eye"
VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture
def boss(visitor: Visitor) -> Visitor:
    """The owner, signed in by hand."""
    User.objects.create_superuser("owner", password=PASSWORD)
    visitor.context.add_init_script(VIOLATIONS)
    visitor.page.on("dialog", lambda dialog: visitor.errors.append(f"dialog: {dialog.message}"))
    visitor.open("/admin/")
    visitor.page.fill("[name=username]", "owner")
    visitor.page.fill("[name=password]", PASSWORD)
    visitor.page.click("button[type=submit]")
    visitor.page.wait_for_url("**/admin/")
    return visitor


def nothing_is_wrong(visitor: Visitor) -> None:
    assert (visitor.errors, visitor.said) == ([], [])
    assert visitor.page.evaluate("violations") == []
    width = visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "the page is wider than its window"


def points(visitor: Visitor, canvas: str) -> int:
    """How many points of the chart are above zero."""
    count: int = visitor.page.evaluate(
        "(id) => Chart.getChart(id)?.data.datasets.flatMap((set) => set.data)"
        ".filter((point) => (point.y ?? point) > 0).length ?? 0",
        canvas,
    )
    return count


def strokes(session: UUID, second: float) -> object:
    t = [n * 16.0 for n in range(60)]
    return path(session, second, t, [5.0 * n for n in range(60)], [0.0] * 60)


DISTANCE = "(shown) => document.querySelector('[data-fact=distance_px]')?.textContent === shown"
# Of the newest data, in seconds.
AGE = "parseFloat(document.querySelector('[data-lag]').textContent.split(', ')[1])"
DRAWN = "window.drawn = 0; document.addEventListener('eye:drawn', () => (window.drawn += 1));"

# Long enough for a page to notice that something in it has another size.
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SHOW = "form .eye-button:text('Show')"
TICKS = """
window.ticks = 0;
const real = setInterval;
window.setInterval = (call, ms) => real(() => ((window.ticks += 1), call()), ms);
"""

PAGES = (
    "/admin/",
    "/admin/tracking/session/",
    "/admin/tracking/session/{session}/change/",
    "/admin/reports/sessionreport/",
    "/admin/reports/sessionreport/{session}/change/",
    "/admin/reports/sessionreport/export/",
    "/admin/tracking/event/",
    "/admin/tracking/eventerror/",
    "/admin/errors/",
    "/admin/tracking/eventtype/",
    "/admin/tracking/eventtype/add/",
    "/admin/tracking/receipt/",
    "/admin/tracking/batch/",
    "/admin/tracking/setasidebatch/{set_aside}/change/",
    "/admin/tracking/application/add/",
    "/admin/tracking/apikey/add/",
    "/admin/django_celery_results/taskresult/",
    "/admin/django_celery_beat/periodictask/add/",
    "/admin/django_celery_beat/crontabschedule/add/",
    "/admin/auth/user/1/change/",
    "/admin/auth/group/add/",
    "/admin/password_change/",
    "/admin/tasks/",
    "/admin/queued-tasks/",
    "/admin/live/",
)


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 1440, "height": 900}},
        {"viewport": {"width": 1024, "height": 800}},
        {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_every_page_keeps_to_its_policy_and_fits(boss: Visitor, everything: Scene) -> None:
    owner = User.objects.get().pk
    for page in PAGES:
        boss.open(
            page.format(session=everything.session, set_aside=everything.set_aside).replace(
                "user/1/", f"user/{owner}/"
            )
        )
        boss.page.wait_for_load_state("networkidle" if "export" in page else "load")
        nothing_is_wrong(boss)


def test_the_page_of_a_session_that_has_ended_comes_to_rest(boss: Visitor, scene: Scene) -> None:
    boss.context.add_init_script(TICKS)
    boss.open(f"/admin/tracking/session/{scene.session}/change/")
    boss.until("ticks > 0")
    assert boss.page.inner_text("[data-live-badge]").lower() == "ended"
    ticks = boss.page.evaluate("ticks")
    boss.page.wait_for_timeout(1_000)
    assert boss.page.evaluate("ticks") == ticks


def test_the_charts_of_a_session_draw(boss: Visitor, scene: Scene) -> None:
    boss.open(f"/admin/tracking/session/{scene.session}/change/")
    until(lambda: points(boss, "speed") > 0 and points(boss, "distance") > 0)
    nothing_is_wrong(boss)


def test_a_live_session_moves_its_page(boss: Visitor, shop: Sender, worker: Process) -> None:
    session = uuid4()
    # However long the tests before it took: a page lives for five minutes after the last event.
    just_now = (now() - START).total_seconds() - 20
    shop.post([strokes(session, just_now)])
    until(lambda: Session.objects.filter(pk=session).exists())
    boss.open(f"/admin/tracking/session/{session}/change/")
    # The page loads itself once more when there is a report: an evaluation could fall into that.
    boss.page.wait_for_function(DISTANCE, arg="295")  # also where the page came before the report
    shop.post([strokes(session, just_now + 2)])
    boss.page.wait_for_function(DISTANCE, arg="590")
    assert boss.page.inner_text("[data-live-badge]").lower() == "live"
    assert re.search(r"data up to [\d:.]+, [\d.]+ s ago", boss.page.inner_text("[data-lag]"))
    nothing_is_wrong(boss)


def test_a_page_that_waits_for_a_session_looks_only_while_it_is_seen(
    boss: Visitor, shop: Sender, session: UUID, worker: Process
) -> None:
    boss.context.add_init_script(AWAY)
    boss.open(f"/admin/tracking/session/{session}/change/")
    boss.page.wait_for_load_state("networkidle")
    boss.page.evaluate("leave(); window.same = true")
    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    shop.post([strokes(session, 0)])
    until(lambda: Session.objects.filter(pk=session).exists())
    boss.page.wait_for_timeout(4_000)
    assert (asked, boss.page.evaluate("window.same")) == ([], True)
    boss.page.evaluate("comeBack()")
    boss.page.wait_for_selector("#session")


@pytest.mark.parametrize("minutes", [6, -6])
def test_a_session_is_live_whatever_the_viewers_clock_shows(
    boss: Visitor, shop: Sender, worker: Process, minutes: int
) -> None:
    session = uuid4()
    just_now = (now() - START).total_seconds() - 20
    shop.post([strokes(session, just_now)])
    until(lambda: SessionReport.objects.filter(pk=session).exists())
    wrong = f"{{const right = Date.now; Date.now = () => right() + {minutes} * 60_000;}}"
    boss.context.add_init_script(wrong)
    boss.open(f"/admin/tracking/session/{session}/change/")
    boss.until(f"{AGE} >= 0")
    assert 10 < boss.page.evaluate(AGE) < 120
    assert boss.page.inner_text("[data-live-badge]").lower() == "live"
    shop.post([strokes(session, just_now + 2)])
    boss.page.wait_for_function(DISTANCE, arg="590")
    nothing_is_wrong(boss)


def test_a_live_page_asks_only_while_it_is_seen(
    boss: Visitor, shop: Sender, worker: Process
) -> None:
    session = uuid4()
    just_now = (now() - START).total_seconds() - 20
    shop.post([strokes(session, just_now)])
    until(lambda: SessionReport.objects.filter(pk=session).exists())
    boss.context.add_init_script(AWAY + DRAWN)
    boss.open(f"/admin/tracking/session/{session}/change/")
    boss.until("drawn > 0")
    boss.page.evaluate("leave()")
    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    shop.post([strokes(session, just_now + 2)])
    until(lambda: SessionReport.objects.filter(pk=session, samples=120).exists())
    age = boss.page.evaluate(AGE)
    boss.page.wait_for_timeout(1_000)
    assert (asked, boss.page.evaluate(AGE)) == ([], age)
    boss.page.evaluate("comeBack()")
    boss.page.wait_for_function(DISTANCE, arg="590")
    nothing_is_wrong(boss)


def test_the_dashboard_counts_while_one_looks(boss: Visitor, shop: Sender, worker: Process) -> None:
    boss.open("/admin/?period=1h")
    assert boss.page.text_content("[data-welcome]") == "No events yet"
    sessions = {f"{session}" for session in (uuid4() for _ in range(7))}
    shop.post([event(UUID(session)) for session in sessions])
    boss.until("document.querySelector('[data-total=stored]').textContent === '7'")
    boss.until("document.querySelector('[data-figure=events] [data-value]').textContent === '7'")
    until(lambda: points(boss, "arrivals") == 1)
    assert "Stored: at most 7" in (boss.page.get_attribute("#arrivals", "aria-label") or "")
    boss.until("document.querySelectorAll('[data-recent] tbody tr').length === 7")
    shown = boss.page.locator("[data-recent] tbody .eye-id").all()
    assert {row.get_attribute("title") for row in shown} == sessions
    assert boss.page.text_content("[data-welcome]") == "The first events are here"
    mark = "(place) => getSelection().selectAllChildren(document.querySelector(place))"
    boss.page.evaluate(mark, "[data-recent] tbody .eye-id")
    marked = boss.page.evaluate("getSelection().toString()")
    shop.post(event(uuid4()))
    boss.until("document.querySelector('[data-total=stored]').textContent === '8'")
    assert boss.page.evaluate("getSelection().toString()") == marked
    boss.page.evaluate("getSelection().removeAllRanges()")
    boss.until("document.querySelectorAll('[data-recent] tbody tr').length === 8")
    nothing_is_wrong(boss)


def test_a_dashboard_in_trouble_asks_no_sooner_than_else(boss: Visitor) -> None:
    boss.page.clock.install()
    boss.open("/admin/?period=7d")
    boss.until("document.querySelector('[data-lag]').textContent.startsWith('Live')")
    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    boss.context.set_offline(True)
    boss.page.clock.fast_forward(15_000)
    boss.until("document.querySelector('[data-lag]').textContent.includes('trying again')")
    boss.page.clock.fast_forward(14_000)
    boss.page.wait_for_timeout(300)
    assert len(asked) == 1
    boss.page.clock.fast_forward(1_000)
    boss.wait_for(lambda: len(asked) == 2)


@pytest.mark.parametrize("page", ["/admin/", "/admin/errors/"])
def test_a_choice_is_made_with_the_keyboard_before_it_counts(boss: Visitor, page: str) -> None:
    boss.open(page)
    boss.page.focus("select[name=period]")
    for _ in range(2):
        boss.page.keyboard.press("ArrowDown")
        boss.page.wait_for_timeout(300)
    assert boss.page.url.endswith(page)
    assert boss.page.evaluate("document.activeElement.value") == "30d"
    boss.page.focus(SHOW)
    boss.page.keyboard.press("Enter")
    boss.page.wait_for_url("**period=30d**")
    assert boss.page.input_value("select[name=period]") == "30d"
    nothing_is_wrong(boss)


def test_a_list_is_narrowed_down_with_the_keyboard(boss: Visitor, scene: Scene) -> None:
    boss.open("/admin/tracking/session/?o=-distance_px&p=1")
    boss.page.focus(".filter-open-button")
    boss.page.keyboard.press("Enter")
    boss.until("document.activeElement.closest('#filter-form') !== null")
    boss.page.keyboard.press("Escape")
    boss.until("document.activeElement.matches('.filter-open-button')")
    boss.page.keyboard.press("Enter")
    boss.until("document.activeElement.closest('#filter-form') !== null")
    boss.page.fill("#filter-form [name=from]", "2026-01-31T10:00")
    boss.page.keyboard.press("Enter")
    boss.page.wait_for_url(
        "**/admin/tracking/session/?o=-distance_px&from=2026-01-31T10%3A00&zone=*"
    )
    assert boss.page.locator("#result_list tbody tr").count() == 1
    nothing_is_wrong(boss)


def test_columns_are_chosen_and_a_view_kept_with_the_mouse(boss: Visitor, scene: Scene) -> None:
    boss.open("/admin/tracking/session/")
    boss.page.click("summary:text('Columns')")
    boss.page.check(".eye-choice [value=flags]")
    boss.page.click(".eye-panel:visible .eye-button")
    boss.page.wait_for_url("**columns=**")
    assert boss.page.locator("th.column-flags").count() == 1
    boss.page.click("summary:text('Save view')")
    boss.page.fill(".eye-panel [name=name]", "Flagged")
    boss.page.click(".eye-panel:visible .eye-button:text('Save')")
    boss.page.wait_for_selector("text=The view is saved")
    boss.open("/admin/tracking/session/?errors=yes")
    boss.page.click(".eye-views a:has-text('Flagged')")
    boss.page.wait_for_selector("th.column-flags")
    assert boss.page.locator(".eye-views [aria-current]").inner_text() == "Flagged"
    nothing_is_wrong(boss)
    boss.page.click("summary:text('Save view')")
    boss.page.click(".eye-removable button")
    boss.page.wait_for_selector("text=The view is deleted")
    assert boss.page.locator(".eye-views a").all_inner_texts() == ["All"]
    nothing_is_wrong(boss)


@pytest.mark.parametrize(
    ("page", "words"),
    [("/admin/?period=1h", "[data-lag]"), ("/admin/tasks/", "[data-trouble]")],
)
def test_who_is_signed_out_meanwhile_is_told_and_asks_no_more(
    boss: Visitor, page: str, words: str
) -> None:
    boss.page.clock.install()
    boss.open(page)
    boss.page.wait_for_load_state("networkidle")
    SignedIn.objects.all().delete()
    boss.page.clock.fast_forward(6_000)
    boss.until(f"document.querySelector('{words}').textContent.includes('signed out')")
    asked: list[str] = []
    boss.page.on("request", lambda request: asked.append(request.url))
    boss.page.clock.fast_forward(60_000)
    boss.page.wait_for_timeout(300)
    assert asked == []


def test_what_the_dashboard_shows_is_in_its_address(
    boss: Visitor, scene: Scene, shop: Sender
) -> None:
    roll_up()
    boss.page.dispatch_event("select[name=period]", "pointerdown")
    boss.page.select_option("select[name=period]", label="Last hour")
    boss.page.wait_for_url("**/admin/?period=1h")
    boss.page.select_option("select[name=application]", label="shop")
    boss.page.click(SHOW)
    boss.page.wait_for_url(f"**/admin/?application={shop.application_id}&period=1h")
    boss.page.click("[data-chart=arrivals] summary")
    boss.page.click("[data-chart=arrivals] tr:has(td:nth-child(2):text-is('3')) a")
    boss.page.wait_for_url(f"**/admin/?application={shop.application_id}&from=*&to=*")
    assert boss.page.inner_text("[data-figure=events] [data-value]") == "3"
    assert boss.page.input_value("select[name=application]") == str(shop.application_id)
    assert boss.page.is_visible("input[name=from]")
    nothing_is_wrong(boss)


def test_the_menu_is_opened_with_keys_and_stays_while_the_page_goes_on(boss: Visitor) -> None:
    boss.page.get_by_role("button", name="Menu").press("Enter")
    menu = boss.page.locator("#nav-sidebar")
    menu.wait_for(state="visible")
    boss.page.evaluate("document.querySelector('#content').style.paddingBottom = '5000px'")
    boss.page.evaluate(FRAMES)
    assert menu.is_visible()
    menu.get_by_text("Sessions", exact=True).click()
    boss.page.wait_for_url("**/admin/tracking/session/")
    nothing_is_wrong(boss)


def test_a_report_is_recomputed_with_the_mouse(
    boss: Visitor, scene: Scene, worker: Process
) -> None:
    boss.open(f"/admin/tracking/session/{scene.session}/change/")
    boss.page.click("text=Recompute report")
    boss.page.click("#dialog button[type=submit]")
    boss.page.wait_for_url("**/queued-tasks/**")
    boss.page.wait_for_selector("text=1 of 1 finished")
    boss.page.click("text=reports.recompute ·")
    boss.page.wait_for_url("**/taskresult/**")
    assert str(scene.session)[:8] in boss.page.inner_text("#content")
    nothing_is_wrong(boss)


def test_a_stuck_task_is_run_again_with_the_mouse(
    boss: Visitor, scene: Scene, worker: Process
) -> None:
    task_result(scene.session)
    TaskResult.objects.update(status="STARTED", worker="gone@host", task_kwargs='"{}"')
    boss.open("/admin/tasks/")
    assert "its worker is gone" in boss.page.inner_text("#stuck")
    boss.page.click("#stuck button")
    boss.page.click(".eye-narrow button[type=submit]")
    boss.page.wait_for_url("**/queued-tasks/**")
    boss.page.wait_for_selector("text=1 of 1 finished")
    nothing_is_wrong(boss)


def test_the_overview_of_tasks_follows_and_keeps_its_place(
    boss: Visitor, scene: Scene, worker: Process
) -> None:
    boss.page.set_viewport_size({"width": 680, "height": 800})
    boss.open("/admin/tasks/")
    boss.page.evaluate("document.getElementById('names').scrollLeft = 50")
    boss.page.focus("#periodic")
    task_result(scene.session)
    TaskResult.objects.update(status="STARTED", worker="gone@host")
    boss.page.wait_for_selector("text=its worker is gone")
    assert boss.page.evaluate("document.getElementById('names').scrollLeft") == 50
    assert boss.page.evaluate("document.activeElement.id") == "periodic"
    boss.page.focus("#names tbody a")
    focused = boss.page.evaluate("document.activeElement.href")
    boss.page.evaluate("document.getElementById('overview').dataset.old = 1")
    boss.until("!document.getElementById('overview').dataset.old")
    assert boss.page.evaluate("document.activeElement.href") == focused
    nothing_is_wrong(boss)


def test_a_rebuild_is_followed_to_its_end(boss: Visitor, scene: Scene) -> None:
    made = rebuild.begin(Actor("somebody"))
    boss.open(reverse("admin:reports_rebuild_change", args=[made.pk]))
    assert "Pause" in boss.page.inner_text("body")
    boss.page.wait_for_timeout(2_500)  # it has asked twice
    nothing_is_wrong(boss)
    rebuild.run()
    boss.page.wait_for_selector("text=Done: 1 of 1 reports")
    boss.until("!document.body.innerText.includes('Pause')")
    nothing_is_wrong(boss)


def test_selected_reports_are_exported_with_the_mouse(boss: Visitor, scene: Scene) -> None:
    boss.open("/admin/reports/sessionreport/")
    boss.page.check("tbody input.action-select")
    boss.page.select_option("select[name=action]", "export_admin_action")
    boss.page.click("button[name=index]")
    boss.page.select_option("select[name=format]", label="csv")
    with boss.page.expect_download() as download:
        boss.page.click("main button[type=submit], #content button[type=submit]")
    text = download.value.path().read_text()
    assert text.startswith("session,applications,")
    assert str(scene.session) in text
    nothing_is_wrong(boss)


def test_all_that_a_list_shows_is_exported_with_the_mouse(boss: Visitor, shop: Sender) -> None:
    hostile = sender("=HYPERLINK(1)")
    sessions = [uuid4() for _ in range(60)]
    hostile.send(*[strokes(session, n / 10) for n, session in enumerate(sessions)])
    shop.send(*[strokes(uuid4(), 0) for _ in range(5)])
    until(lambda: builder.build_stale() and SessionReport.objects.count() == 65)
    boss.open(f"/admin/reports/sessionreport/?application={hostile.application_id}")
    shown = table(boss)
    boss.page.click("a[rel=next]")
    boss.page.wait_for_url("**p=2**")
    shown += table(boss)
    with boss.page.expect_download() as download:
        boss.page.click("text=Export all as CSV")
    with download.value.path().open(newline="") as file:
        rows = {row["session"]: row for row in csv.DictReader(file)}
    assert {*rows} == {str(session) for session in sessions}
    assert {row["applications"] for row in rows.values()} == {"'=HYPERLINK(1)"}
    assert len(shown) == len(rows)
    for cells in shown:
        row = rows[cells["session"]]
        for name in ("distance_px", "samples", "events", "clicks"):
            assert f"{float(row[name]):,.0f}" == cells[name], name
    nothing_is_wrong(boss)


def table(visitor: Visitor) -> list[dict[str, str]]:
    """The rows of the list that is open, by the columns' names; sessions in full, figures bare."""
    rows: list[dict[str, str]] = visitor.page.eval_on_selector_all(
        "tr:has(input.action-select)",
        """(rows) => rows.map((row) => Object.fromEntries(
            [...row.querySelectorAll("[class*=field-]")].map((cell) => [
                [...cell.classList].find((name) => name.startsWith("field-")).slice(6),
                cell.querySelector(".eye-id")?.title
                    ?? cell.textContent.trim().replace(/[^\\d]*$/, ""),
            ]),
        ))""",
    )
    return rows


def test_a_new_key_is_shown_and_gone_after_a_reload(boss: Visitor, shop: Sender) -> None:
    # Emptying the tables between tests renumbers the content types that a server remembers.
    boss.page.goto("about:blank")
    boss.web.kill()
    boss.web.start()
    boss.open("/admin/tracking/apikey/add/")
    boss.page.select_option("select[name=application]", label="shop")
    boss.page.select_option("select[name=kind]", "secret")
    boss.page.click("button[name=_save]")
    key = boss.page.inner_text("#new-key")
    assert key.startswith("eye_sk_")
    boss.page.reload()
    assert key not in boss.page.content()
    assert ApiKey.objects.filter(kind="secret").count() == 2
    nothing_is_wrong(boss)


def test_hostile_text_does_nothing(boss: Visitor, session: UUID) -> None:
    for text in HOSTILE:
        evil = sender(text)
        evil.send(event(session, category=text, name=text, data={text: text}))
        evil.send(event(session, category="", **{text: text}))
    for page in (*PAGES[:9], "/admin/tracking/application/", "/admin/tracking/apikey/"):
        boss.open(page.format(session=session, set_aside=0))
        boss.page.wait_for_load_state("load")
        boss.page.wait_for_timeout(100)
        assert [error for error in boss.errors if "404" not in error] == []
        assert boss.page.evaluate("violations") == []


def test_a_schema_is_tried_before_it_is_saved(boss: Visitor, shop: Sender) -> None:
    named = {"category": "shop", "name": "order"}
    seen = {f"seen{n}": text for n, text in enumerate(HOSTILE)}
    shop.send(*(event(uuid4(), **named, data={key: text}) for key, text in seen.items()))
    boss.open("/admin/tracking/eventtype/add/")
    boss.page.fill("[name=category]", "shop")
    boss.page.fill("[name=name]", "order")
    boss.page.fill("[name=schema]", '{"patternProperties": {"^seen": {"maxLength": 1}}}')
    boss.page.click("[data-try]")
    boss.wait_for(lambda: "reject 5 of the last 5" in boss.page.inner_text("[data-tried]"))
    assert "<script>" in boss.page.inner_text("[data-tried]")
    boss.page.fill("[name=schema]", "{")
    boss.page.click("[data-try]")
    boss.wait_for(lambda: "This is no JSON" in boss.page.inner_text("[data-tried]"))
    nothing_is_wrong(boss)
