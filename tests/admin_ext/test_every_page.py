"""Every page of the admin in a real browser, full of what somebody hostile may have sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import Error, models, transaction

from reports import builder
from tests.admin_ext.cast import Scene
from tests.admin_ext.test_browser import boss
from tests.admin_ext.walk import MODELS, Address, admin_addresses, record
from tests.cast import Sender, event
from tests.e2e.conftest import Visitor, browser, chromium, playwright, visitor, window
from tests.waiting import until

__all__ = ["boss", "browser", "chromium", "playwright", "visitor", "window"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = (
    "\u202e<script>alert(1)</script>{{7*7}}${7*7}'});alert(1)//\"><img src=x onerror=alert(1)>"
    '" x-init="alert(1)" @mouseover="alert(1)'
)
# What is no page that a browser shows by itself.
NO_PAGE = {
    "autocomplete",
    "export_all",
    "eye_dashboard_data",
    "eye_live_data",
    "heat",
    "jsi18n",
    "login",
    "logout",
    "search",
    "view_on_site",
    "<path:object_id>/",
    "(?P<url>.*)$",
}
# What a worker computes from events. These come with hostile names.
COMPUTED = {"reports_sessionreport"}
POSTED = {
    "again",
    "try",
    "eye_error_mute",
    "eye_error_reprocess",
    "eye_error_unmute",
    "forget_view",
    "save_view",
}
SERIOUS = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(
    ({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0].html.slice(0, 160)} ` +
      nodes[0].any.map(({ message }) => message).join().slice(0, 160),
  );
}"""
SWITCH = "(dark) => document.documentElement.classList.toggle('dark', dark)"
# In what we show of the outside; titles of Django's own pages are paragraphs of their own.
TURNED = """() => [...document.querySelectorAll("bdi, pre, dd, .eye-text, .eye-badge")].some(
  (shown) => /[\\u202a-\\u202e\\u2066-\\u2069]/.test(shown.textContent),
)"""
AXE = Path(axe_playwright_python.__path__[0]) / "axe.min.js"


def pages() -> Iterator[Address]:
    for address in admin_addresses():
        is_dialog = address.page in dialogs(address)
        if address.page not in NO_PAGE | POSTED and not is_dialog:
            yield address


def dialogs(address: Address) -> set[str]:
    """The buttons that open a dialog in their page, which is a part of one."""
    if address.model is None:
        return set()
    admin_of: Any = admin.site._registry[MODELS[address.model]]
    names = [*admin_of.actions_list, *admin_of.actions_row, *admin_of.actions_detail]
    return {name for name in names if getattr(getattr(admin_of, name), "dialog", None)}


def hostile(field: "models.Field[Any, Any]") -> Any:
    if isinstance(field, models.JSONField):
        return {HOSTILE: HOSTILE}
    length = getattr(field, "max_length", None) or 10_000
    return HOSTILE[:length] if length >= len(HOSTILE) else None


def spoil(row: models.Model) -> None:
    """Writes it into every field that takes it; the database refuses what it must not be."""
    for field in row._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField | models.JSONField)
        if not is_text or field.primary_key or field.choices or field.name == "password":
            continue
        value = hostile(field)
        if value is not None:
            try:
                with transaction.atomic():
                    type(row)._default_manager.filter(pk=row.pk).update(**{field.name: value})
            except Error:
                continue


@pytest.fixture
def spoilt(everything: Scene, shop: Sender) -> None:
    sent = {"category": HOSTILE, "name": HOSTILE, "data": {HOSTILE: HOSTILE}}
    wrong = {"category": HOSTILE, "name": HOSTILE, "timestamp": HOSTILE}
    shop.send(event(everything.session, **sent), event(everything.session, **wrong))
    until(builder.build_stale)
    shop.post([event(everything.session)])  # one that waits
    somebody = User.objects.create_user("somebody who changes all")
    for model in set(MODELS) - COMPUTED:
        row = record(model)
        spoil(row)
        LogEntry.objects.log_actions(somebody.pk, [row], 2, HOSTILE)


def wrong(boss: Visitor) -> Iterator[str]:
    yield from [*boss.errors, *boss.said, *boss.page.evaluate("violations")]
    if boss.page.evaluate(TURNED):
        yield "a mark that turns text around is not shown as one"
    boss.page.evaluate(AXE.read_text())
    for theme in ("light", "dark"):
        boss.page.evaluate(SWITCH, theme == "dark")
        yield from [f"{theme}: {one}" for one in boss.page.evaluate(SERIOUS)]


def test_nothing_is_executed_and_axe_finds_nothing_serious(boss: Visitor, spoilt: None) -> None:
    found: list[str] = []
    for address in pages():
        boss.errors.clear()
        boss.said.clear()
        response = boss.page.goto(boss.web.url + address.path)
        assert response is not None
        if response.status != 403:  # to nobody, not even a superuser
            found += [f"{address.name}: {one}" for one in wrong(boss)]
    assert not found, "\n".join(found)
