"""Asking once more before an action: what it will do, and to what.

What is done says where to go then, if not back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from unfold.forms import BaseDialogForm

from admin_ext.kit import ModelAdmin, action

CONFIRMED = "confirmed"

type Act = Callable[[Any, HttpRequest, list[Any]], str | None]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the selected rows; `nothing` is said where none of them is concerned.

    `verb` and the nouns make the title and the button: "Revoke 3 keys?".
    """

    verb: str
    noun: str
    nouns: str
    text: str
    nothing: str = "Select some rows first."
    most: int = 1_000
    which: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda rows: rows

    def ids(self, rows: QuerySet[Any]) -> list[Any]:
        """Up to one too many."""
        return list(self.which(rows).order_by().values_list("pk", flat=True)[: self.most + 1])

    def about(self, count: int) -> str:
        return f"{self.verb} {count:,} {self.noun if count == 1 else self.nouns}"


def asks_first(question: Question, permission: str) -> Callable[[Act], Any]:
    """Makes an action on selected rows of a method that takes their ids.

    The rows are those that were confirmed, however the list has changed meanwhile.
    """

    def decorate(act: Act) -> Any:
        @admin.action(description=f"{question.verb} {question.nouns}", permissions=[permission])
        @wraps(act)
        def asked(
            model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]
        ) -> HttpResponse | None:
            is_confirmed = request.method == "POST" and CONFIRMED in request.POST
            ids = question.ids(_chosen(model_admin, request) if is_confirmed else queryset)
            if not ids:
                messages.info(request, question.nothing)
            elif len(ids) > question.most:
                text = f"At most {question.most:,} {question.nouns} at once. Select fewer."
                messages.error(request, text)
            elif is_confirmed:
                where = act(model_admin, request, ids)
                return HttpResponseRedirect(where) if where else None
            else:
                return _ask(model_admin, request, act.__name__, ids, question)
            return None

        return asked

    return decorate


def _chosen(model_admin: ModelAdmin, request: HttpRequest) -> QuerySet[Any]:
    """Also those that the filters of the list have left out meanwhile."""
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return model_admin.get_queryset(request).filter(pk__in=chosen)


def _ask(
    model_admin: ModelAdmin,
    request: HttpRequest,
    action: str,
    ids: Sequence[object],
    question: Question,
) -> TemplateResponse:
    """A page whose form posts the same action again, confirmed, for exactly these rows."""
    about = question.about(len(ids))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"{about}?",
        "text": question.text,
        "button": about,
        "action": action,
        "ids": ids,
        "id_field": ACTION_CHECKBOX_NAME,
        "confirmed_field": CONFIRMED,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/eye/confirm.html", context)


def asks_in_dialog(
    title: str,
    text: str | Promise,
    button: str,
    *,
    permission: str,
    icon: str,
    when: Callable[[Any], bool] | None = None,
) -> Callable[[Callable[..., str | None]], Any]:
    """Makes a button of a record's page, of a method that takes the record; or of a list's.

    `when` says of which records it is: see `get_actions_detail` in kit.py.
    """
    dialog = {
        "title": title,
        "description": text,
        "form_class": BaseDialogForm,
        "form_submit_text": button,
    }

    def decorate(act: Callable[..., str | None]) -> Any:
        @action(description=button, permissions=[permission], icon=icon, dialog=dialog)
        @wraps(act)
        def asked(
            model_admin: Any, request: HttpRequest, form: Any, object_id: str | None = None
        ) -> HttpResponse:
            records = [model_admin.get_object(request, object_id)] if object_id else []
            if None in records:
                messages.error(request, f"There is no such {model_admin.opts.verbose_name}.")
                where, records = None, []
            else:
                where = act(model_admin, request, *records)
            return HttpResponse(headers={"HX-Redirect": where or _page_of(model_admin, *records)})

        button_of_record: Any = asked
        button_of_record.when = when
        return button_of_record

    return decorate


def _page_of(model_admin: ModelAdmin, *records: Any) -> str:
    """The page of a record, or the list."""
    name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    page = "change" if records else "changelist"
    return reverse(f"admin:{name}_{page}", args=[record.pk for record in records])
