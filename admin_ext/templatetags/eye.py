"""`{% load eye %}`: values in templates as `display.py` shows them in lists."""

from django.template import Library

from admin_ext import display

register = Library()
register.filter("number", display.number)
