from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from admin_ext import display
from admin_ext.forms import ApplicationForm
from admin_ext.kit import ModelAdmin
from tracking.models import Application


def keys_link(application: Any) -> SafeString:
    url = reverse(
        "admin:tracking_apikey_changelist", query={"application__id__exact": application.pk}
    )
    return display.link(url, f"{application.live_keys:,}")


def kept(application: Any) -> str:
    days = application.retention_days
    return "for ever" if days is None else f"{days:,} day{'' if days == 1 else 's'}"


@admin.register(Application)
class ApplicationAdmin(ModelAdmin):
    form = ApplicationForm
    list_display = (
        display.words("name", "name", 80),
        display.column(keys_link, "live_keys", "live keys", right=True),
        display.column(kept, "kept", "events are kept", right=True),
        display.time("created_at", "created"),
    )
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Application]:
        live = Count("keys", filter=Q(keys__revoked_at=None))
        applications: QuerySet[Application] = super().get_queryset(request)
        return applications.annotate(live_keys=live)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        asks = ("delete_older",) if obj and self.has_change_permission(request, obj) else ()
        limits = ("secret_events_per_minute", "publishable_events_per_minute")
        return ("name", "strict", "retention_days", *asks, *limits)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Its events refer to it, and would no longer say where they came from."""
        return False
