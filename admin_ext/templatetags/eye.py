"""`{% load eye %}`: values in templates as `display.py` shows them in lists."""

from django.template import Library

from admin_ext import display

register = Library()
register.filter("number", display.number)


@register.filter
def visible(text: object) -> str:
    """Foreign text with every invisible mark written as its escape."""
    return display.visible(str(text))
