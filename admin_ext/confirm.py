"""Asking once more before an action on selected rows: what it will do, and to how many of them."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from unfold.forms import BaseDialogForm

from admin_ext.kit import ModelAdmin

CONFIRMED = "confirmed"


def is_confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and CONFIRMED in request.POST


def ask(
    admin: ModelAdmin,
    request: HttpRequest,
    action: str,
    ids: Sequence[object],
    *,
    title: str,
    text: str,
    button: str,
) -> TemplateResponse:
    """A page whose form posts the same action again, confirmed, for exactly these rows."""
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": title,
        "text": text,
        "button": button,
        "action": action,
        "ids": ids,
        "id_field": ACTION_CHECKBOX_NAME,
        "confirmed_field": CONFIRMED,
    }
    request.current_app = admin.admin_site.name
    return TemplateResponse(request, "admin/eye/confirm.html", context)


def dialog(title: str, text: str | Promise, button: str) -> dict[str, Any]:
    """The same question for one record, as Unfold asks it on the record's page."""
    return {
        "title": title,
        "description": text,
        "form_class": BaseDialogForm,
        "form_submit_text": button,
    }
