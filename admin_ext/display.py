"""How values look on admin pages. Everything that came from outside is escaped and isolated."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name, localtime

EMPTY = "–"
# Marks that turn the direction of text around, and controls that no screen shows.
INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
MILLISECOND = timedelta(milliseconds=1)
MILLISECONDS_A_SECOND = 1_000

# What a column shows of a record.
Show = Callable[[Any], Any]
# A callable with attributes; Django's stubs know of names only.
Column = Any

# Up to how many seconds a duration is told in these two units, each of so many seconds.
LONG = (
    (3_600, "min", 60, "s", 1),
    (86_400, "h", 3_600, "min", 60),
    (float("inf"), "d", 86_400, "h", 3_600),
)


def value_of(record: object, path: str) -> Any:
    """The attribute at a dotted path; None where a related record on the way is missing."""
    try:
        return attrgetter(path)(record)
    except (ObjectDoesNotExist, AttributeError):
        return None


def visible(text: str) -> str:
    """The text with every invisible mark written as its escape."""
    return INVISIBLE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(text: str, limit: int = 200) -> SafeString:
    """Foreign text: escaped, shortened, and unable to reorder what stands beside it."""
    return format_html('<bdi class="eye-text">{}</bdi>', visible(shorten(text, limit)))


def names(named: Iterable[Any]) -> SafeString:
    return plain(", ".join(one.name for one in named) or EMPTY, 60)


def block(text: str) -> SafeString:
    return format_html('<pre class="eye-block" dir="ltr" tabindex="0">{}</pre>', visible(text))


def pretty(value: Any) -> SafeString:
    """JSON, indented."""
    return block(json.dumps(value, ensure_ascii=False, indent=2))


def number(value: float | None, unit: str = "", digits: int = 0) -> SafeString | str:
    if value is None:
        return EMPTY
    shown = SafeString(f"{value:,.{digits}f}")
    return shown + unit_of(unit) if unit else shown


@cache
def unit_of(unit: str) -> SafeString:
    return format_html('<span class="eye-unit">{}</span>', unit)


def moment(value: datetime | None) -> SafeString | str:
    """A time in the viewer's zone, to the second; on hover exactly, and in UTC too."""
    if value is None:
        return EMPTY
    utc, local = value.astimezone(UTC), localtime(value)
    return format_html(
        '<time class="eye-time" datetime="{}" title="{}">{}</time>',
        utc.isoformat(),
        exactly(utc, local),
        local.strftime("%Y-%m-%d %H:%M:%S"),
    )


def exactly(utc: datetime, local: datetime) -> str:
    """The same words as in `times.js`."""
    zone, in_utc = get_current_timezone_name(), f"{utc:%Y-%m-%d %H:%M:%S.%f} UTC"
    return in_utc if zone == "UTC" else f"{local:%Y-%m-%d %H:%M:%S.%f%:z} {zone}\n{in_utc}"


def duration(milliseconds: float | None) -> str:
    """`840 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    if milliseconds is None:
        return EMPTY
    if milliseconds < MILLISECONDS_A_SECOND - 0.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / MILLISECONDS_A_SECOND
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    seconds = int(seconds + 0.5)
    _, large, size, small, part = next(row for row in LONG if seconds < row[0])
    return f"{seconds // size:,.0f} {large} {seconds % size // part:02.0f} {small}"


def elapsed(time: timedelta) -> str:
    return duration(time / MILLISECOND)


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="eye-link" href="{}">{}</a>', url, text)


def change_link(view: str, id: object, text: object | None = None) -> SafeString | str:
    """A link to a record's page; `view` is like `tracking_session`."""
    if id is None:
        return EMPTY
    shown = id if text is None else text
    return link(reverse(f"admin:{view}_change", args=[id]), shown)


def list_link(view: str, query: dict[str, Any], text: object) -> SafeString:
    """A link to a list, filtered."""
    return link(reverse(f"admin:{view}_changelist", query=query), text)


def short_id(id: object) -> SafeString:
    """How a UUID begins; all of it on hover."""
    return format_html('<span class="eye-id" title="{}">{}…</span>', id, str(id)[:8])


def badge(text: str, kind: str = "neutral", why: str = "") -> SafeString:
    """`kind` is success, info, warning, danger or neutral; `why` is shown where one points at it."""
    return format_html('<span class="eye-badge eye-badge-{}" title="{}">{}</span>', kind, why, text)


def column(
    show: Show, name: str, title: str, *, right: bool = False, order: str | None = None
) -> Column:
    """A column of a list, or a field of a page, as Django's admin wants it."""

    def shown(record: Any) -> Any:
        return show(record)

    shown.__name__ = name
    shown.short_description = title  # type: ignore[attr-defined]
    if order:
        shown.admin_order_field = order  # type: ignore[attr-defined]
    if right:
        shown.formatting = "price"  # type: ignore[attr-defined]  # Unfold aligns it right
    return shown


def figure(
    path: str, title: str, unit: str = "", digits: int = 0, order: str | None = None
) -> Column:
    """A number with its unit, aligned right. What a related record has goes by its own name."""

    def show(record: Any) -> SafeString | str:
        return number(value_of(record, path), unit, digits)

    return column(show, last_of(path), title, right=True, order=order)


def time(path: str, title: str, order: str | None = None) -> Column:
    return column(lambda record: moment(value_of(record, path)), last_of(path), title, order=order)


def length(path: str, title: str, order: str | None = None) -> Column:
    """A duration, kept in milliseconds."""

    def show(record: Any) -> str:
        return duration(value_of(record, path))

    return column(show, last_of(path), title, right=True, order=order)


def last_of(path: str) -> str:
    return path.rpartition(".")[2]


def words(path: str, title: str, limit: int = 60) -> Column:
    """Foreign text in one line."""
    name = path.replace(".", "_")
    return column(lambda record: plain(str(value_of(record, path) or ""), limit), name, title)


def status(path: str, title: str, kinds: Mapping[str, str]) -> Column:
    """A choice as a badge; `kinds` says in which colour."""

    def show(record: Any) -> SafeString:
        value = value_of(record, path)
        get_label = getattr(record, f"get_{path}_display", lambda: value)
        return badge(str(get_label()), kinds.get(value, "neutral"))

    return column(show, path.replace(".", "_"), title)


def session_link(path: str = "session_id", title: str = "session", short: bool = False) -> Column:
    def show(record: Any) -> SafeString | str:
        id = value_of(record, path)
        return change_link("tracking_session", id, short_id(id) if short else None)

    return column(show, "session", title)
