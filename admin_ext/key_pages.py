"""The pages of a key that is new: how one is asked for in place of another, and how it is shown."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from admin_ext import display
from admin_ext.forms import RotateForm
from admin_ext.kit import ModelAdmin
from tracking import keys
from tracking.keys import CannotRotate, NewKey
from tracking.models import ApiKey


def issued(
    admin: ModelAdmin, request: HttpRequest, new: NewKey, replaced: ApiKey | None = None
) -> HttpResponse:
    """The one page that shows the key. A message would keep it in a cookie or a table."""
    more = {
        "title": "The new key",
        "key": new,
        "replaced": replaced and display.plain(str(replaced)),
        "replaced_ends": replaced and display.moment(replaced.expires_at),
        "origin": f"{request.scheme}://{request.get_host()}",
        "change_url": change_url(new.record),
    }
    return _page(admin, request, "issued", more)


def rotate(admin: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Asks how long the old key goes on; the answer to the form is the page with the new one."""
    record = admin.get_object(request, object_id)
    if record is None:
        raise Http404
    form = RotateForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        title = f"Rotate {record}"
        more = {"title": title, "form": form, "record": record, "change_url": change_url(record)}
        return _page(admin, request, "rotate", more)
    try:
        new = keys.rotate(record, form.cleaned_data["keep"])
    except CannotRotate as reason:
        messages.error(request, str(reason))
        return redirect(change_url(record))
    record.refresh_from_db()
    admin.log_change(request, record, f"Rotated; the new key is {new.record}.")
    admin.log_addition(request, new.record, f"In place of {record}.")
    return issued(admin, request, new, record)


def change_url(record: ApiKey) -> str:
    return reverse("admin:tracking_apikey_change", args=[record.pk])


def _page(
    admin: ModelAdmin, request: HttpRequest, name: str, more: dict[str, Any]
) -> TemplateResponse:
    context = {**admin.admin_site.each_context(request), "opts": admin.opts, **more}
    request.current_app = admin.admin_site.name
    return TemplateResponse(request, f"admin/tracking/apikey/{name}.html", context)
