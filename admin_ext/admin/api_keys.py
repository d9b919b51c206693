from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.timezone import now
from unfold.contrib.forms.widgets import ArrayWidget
from unfold.widgets import UnfoldAdminTextInputWidget

from admin_ext import display, key_pages
from admin_ext.confirm import Question, asks_first, asks_in_dialog
from admin_ext.forms import ApiKeyForm
from admin_ext.kit import ModelAdmin, action
from tracking import keys
from tracking.models import ApiKey

REVOKING = "Whoever uses it is refused within seconds. A revoked key cannot be made valid again."
REVOKE = Question(
    "Revoke",
    "key",
    "keys",
    REVOKING,
    nothing="These keys are revoked already.",
    which=lambda keys: keys.filter(revoked_at=None),
)


def state(key: ApiKey) -> SafeString:
    if key.revoked_at:
        return display.badge("revoked", "danger")
    if key.expires_at and key.expires_at <= now():
        return display.badge("expired", "warning")
    return display.badge("live", "success")


def kind(key: ApiKey) -> SafeString:
    return display.badge(key.kind, "info" if key.kind == ApiKey.Kind.SECRET else "neutral")


def origins(key: ApiKey) -> SafeString | str:
    if key.kind == ApiKey.Kind.SECRET:
        return display.EMPTY
    return display.plain(", ".join(key.origins) or "own pages only")


# Each of several inputs for one field: its label is only the first one's.
origin_input = partial(UnfoldAdminTextInputWidget, attrs={"aria-label": "Origin"})

SHOWN = (
    display.column(state, "state", "state"),
    display.time("created_at", "created"),
    display.time("last_used_at", "last used"),
)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    formfield_overrides = {ArrayField: {"widget": ArrayWidget(origin_input)}}
    list_display = (
        display.column(lambda key: display.plain(str(key)), "key", "key"),
        display.words("application", "application"),
        display.column(kind, "kind_badge", "kind"),
        display.column(origins, "origins", "origins"),
        display.column(state, "state", "state"),
        display.time("created_at", "created"),
        display.time("expires_at", "expires"),
        display.time("last_used_at", "last used"),
    )
    list_filter = ("kind", "application")
    list_select_related = ("application",)
    actions = ("revoke_selected",)
    actions_detail = ("rotate", "revoke_one")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One way to save: it leads to the page that shows the key."""
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**buttons, **(extra_context or {})})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("application", "kind", "origins", "expires_at", *(SHOWN if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("application", "kind", *SHOWN) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Batches in the inbox refer to their key; a key that leaked is revoked."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            # Only what was changed here: it may have been revoked since the form was read.
            obj.save(update_fields=form.changed_data)
            keys.forget()
        else:
            request.new_key = keys.issue(obj)  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        return key_pages.issued(self, request, request.new_key)  # type: ignore[attr-defined]

    def has_rotate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """It makes a key, and changes the one before."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    @action(description="Rotate", permissions=["rotate"], icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return key_pages.rotate(self, request, object_id)

    @asks_first(REVOKE, permission="change")
    def revoke_selected(self, request: HttpRequest, ids: list[int]) -> None:
        revoke(self, request, ids)

    @asks_in_dialog("Revoke this key?", REVOKING, "Revoke", permission="change", icon="block")
    def revoke_one(self, request: HttpRequest, key: ApiKey) -> None:
        revoke(self, request, [key.pk])


def revoke(admin: ModelAdmin, request: HttpRequest, ids: list[int]) -> None:
    with transaction.atomic():
        live = list(ApiKey.objects.select_for_update().filter(pk__in=ids, revoked_at=None))
        ApiKey.objects.filter(pk__in=[key.pk for key in live]).update(revoked_at=now())
        for key in live:
            admin.log_change(request, key, "Revoked.")
    keys.forget()
    messages.success(request, f"{len(live)} key{'' if len(live) == 1 else 's'} revoked.")
