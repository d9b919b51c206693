"""Errors by their kinds in a real browser: from a group to its schema, to its mending, to its mute."""

import re
from uuid import uuid4

import pytest

from reports import rollup
from tests.admin_ext.cast import HOSTILE
from tests.admin_ext.test_browser import boss, nothing_is_wrong
from tests.cast import Sender, event, sender
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.processes import Process
from tests.tracking.test_reprocess import NUMBER, give_schema, sale
from tests.waiting import until
from tracking.models import ErrorChange, ErrorGroup, ErrorMute, EventError

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def all_counted() -> None:
    """Here or by a worker."""
    until(lambda: rollup.roll_up() and not ErrorChange.objects.exists())


def rejected_sale(shop: Sender) -> None:
    """A worker believes for some seconds what it knew of schemas."""
    until(lambda: shop.send(sale(uuid4(), "12.50", id=str(uuid4()))).rejected)
    all_counted()


def test_what_is_wrong_is_mended_from_its_group(
    boss: Visitor, shop: Sender, worker: Process
) -> None:
    give_schema(NUMBER)
    rejected_sale(shop)
    boss.open("/admin/errors/")
    boss.page.click(".eye-group-links >> text=Schema")
    boss.page.fill("[name=schema]", "{}")
    boss.page.click("[data-try]")
    boss.wait_for(lambda: "it would accept" in boss.page.inner_text("[data-tried]"))
    boss.page.click("[name=_save]")
    boss.page.wait_for_url("**/eventtype/**")
    boss.open("/admin/errors/")
    boss.page.click("[data-open=reprocess]")
    assert re.match(r"Reprocess \d+ open errors?\?", boss.page.inner_text("#reprocess-title"))
    boss.page.click("[data-dialog=reprocess] .eye-button")
    boss.page.wait_for_url("**/queued-tasks/**")
    boss.page.wait_for_selector("text=1 of 1 finished")
    until(lambda: not EventError.objects.filter(resolved_at=None).exists())
    until(lambda: ErrorGroup.objects.get().resolved > 0)
    boss.open("/admin/errors/")
    assert "Nothing is left to do here." in boss.page.inner_text("#content")
    boss.page.check("[name=resolved]")
    boss.page.wait_for_url("**resolved=shown**")
    assert "resolved" in boss.page.inner_text(".eye-group-count")
    nothing_is_wrong(boss)


def test_a_group_is_muted_with_the_keyboard_and_unmuted(boss: Visitor, shop: Sender) -> None:
    shop.send(event(uuid4(), category=""))
    all_counted()
    boss.open("/admin/errors/?period=7d")
    boss.page.focus("[data-open=mute]")
    boss.page.keyboard.press("Enter")
    boss.page.keyboard.press("Escape")
    assert boss.page.evaluate("document.activeElement.dataset.open") == "mute"
    boss.page.keyboard.press("Enter")
    boss.page.check("[name=lasts][value='30']")
    boss.page.fill("[name=why]", HOSTILE[0])
    boss.page.keyboard.press("Enter")
    boss.page.wait_for_selector("text=Muted until")
    assert boss.page.url.endswith("/admin/errors/?period=7d")
    assert ErrorMute.objects.get().by == "owner"
    boss.page.click("text=Show them")
    boss.page.wait_for_url("**muted=shown**")
    assert f"by owner: {HOSTILE[0]}" in boss.page.inner_text(".eye-group")
    boss.page.click("[data-open=unmute]")
    boss.page.click("[data-dialog=unmute] .eye-button")
    boss.page.wait_for_selector("text=Unmuted")
    assert not ErrorMute.objects.exists()
    nothing_is_wrong(boss)


def test_an_address_says_only_what_was_chosen(boss: Visitor, shop: Sender) -> None:
    shop.send(event(uuid4(), category=""))
    all_counted()
    boss.open("/admin/errors/")
    boss.page.select_option("[name=code]", "empty")
    boss.page.click("[data-narrowing] button")
    boss.page.wait_for_url("**code=empty**")
    assert boss.page.url.endswith("/admin/errors/?period=24h&code=empty&order=newest")
    nothing_is_wrong(boss)


@pytest.mark.parametrize(
    "window",
    [
        {"viewport": {"width": 1440, "height": 900}},
        {"viewport": {"width": 360, "height": 800}, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_hostile_strings_are_text_in_groups_and_dialogs(boss: Visitor) -> None:
    for text in HOSTILE:
        evil = sender(text)
        evil.send(
            event(uuid4(), category=text, name=text, data={}),
            event(uuid4(), category=text * 5, timestamp=text),
            event(uuid4(), category=text, name=text, data={text: "\ud800"}),
        )
    all_counted()
    boss.open("/admin/errors/?order=frequent")
    said = boss.page.inner_text(".eye-groups")
    for text in HOSTILE[:4]:
        assert text in said
    assert "\\u202egnp.exe" in said
    for button in boss.page.query_selector_all("[data-open=mute]")[:5]:
        button.click()
        assert boss.page.inner_text("[data-dialog=mute] [data-what]") == button.get_attribute(
            "data-what"
        )
        boss.page.click("[data-dialog=mute] [data-close]")
    nothing_is_wrong(boss)
