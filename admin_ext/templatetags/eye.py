"""`{% load eye %}`: values in templates as `display.py` shows them in lists."""

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone_name

from admin_ext import display, zones

register = Library()
register.filter("number", display.number)


@register.filter
def visible(text: object) -> str:
    """Foreign text with every invisible mark written as its escape."""
    return display.visible(str(text))


@register.simple_tag
def zone() -> SafeString:
    """Says in which zone the page tells times; `times.js` reads it from here."""
    return format_html(
        '<p class="eye-zone" data-zone="{}">Times are in {}</p>',
        get_current_timezone_name(),
        zones.zone_in_words(),
    )
