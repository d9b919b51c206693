from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Max, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from admin_ext import display
from admin_ext.reprocess import ReprocessType
from admin_ext.schema_form import EventTypeForm, TryForm, read, written
from admin_ext.schema_page import tried, versions
from tracking import event_types
from tracking.models import EventType, SchemaVersion


def application(event_type: EventType) -> SafeString:
    if event_type.application is None:
        return display.badge("all applications")
    return display.plain(event_type.application.name, 60)


def origin(event_type: EventType) -> SafeString | str:
    return display.badge("built in", "info") if event_type.built_in else display.EMPTY


def schema(event_type: EventType) -> SafeString | str:
    newest = event_type.versions.first()
    return display.block(written(newest.schema)) if newest else display.EMPTY


SHOWN = (
    display.column(application, "shown_application", "application"),
    display.words("category", "category", 200),
    display.words("name", "name", 200),
)
SCHEMA = display.column(schema, "shown_schema", "schema")


@admin.register(EventType)
class EventTypeAdmin(ReprocessType):
    form = EventTypeForm
    list_display = (
        display.words("category", "category"),
        display.words("name", "name"),
        display.column(application, "application", "application"),
        display.figure("number", "version"),
        display.column(origin, "origin", "origin"),
        display.time("changed_at", "last changed"),
    )
    list_filter = ("built_in", "application")
    list_select_related = ("application",)
    search_fields = ("category", "name")
    readonly_fields = (*SHOWN, SCHEMA)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventType]:
        types: QuerySet[EventType] = super().get_queryset(request)
        return types.annotate(
            number=Max("versions__number"), changed_at=Max("versions__created_at")
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A type stays what it is called: its events and versions are of this name."""
        if obj is None:
            return ("application", "category", "name", "schema")
        if not self.has_change_permission(request, obj):
            return (*SHOWN, SCHEMA)
        return (*SHOWN, "schema", "version")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        built_in = obj is not None and obj.built_in
        return not built_in and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: EventType, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        if self._put_in_force(request, obj, form.cleaned_data["schema"]) is None:
            text = "The schema is what it was before: there is no new version."
            messages.info(request, text)

    def _put_in_force(
        self, request: HttpRequest, event_type: EventType, schema: dict[str, Any]
    ) -> SchemaVersion | None:
        assert request.user.is_authenticated  # noqa: S101  # for the type checker
        return event_types.add_version(event_type, schema, request.user)

    def delete_model(self, request: HttpRequest, obj: EventType) -> None:
        super().delete_model(request, obj)
        event_types.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EventType]) -> None:
        super().delete_queryset(request, queryset)
        event_types.forget()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        event_type = context["original"]
        may_change = event_type is None or self.has_change_permission(request, event_type)
        context |= {"may_change": may_change, "versions": versions(event_type)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "tracking_eventtype"
        again = "<int:id>/versions/<int:number>/again/"
        return [
            path("try/", wrap(self.try_view), name=f"{name}_try"),
            path(again, wrap(self.again_view), name=f"{name}_again"),
            *super().get_urls(),
        ]

    def try_view(self, request: HttpRequest) -> HttpResponse:
        """What the schema in the editor would do, as a part of the page. Saves nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        form = TryForm(request.POST)
        context = {"form": form, "sees_events": request.user.has_perm("tracking.view_event")}
        if form.is_valid():
            context |= tried(form.cleaned_data)
        return TemplateResponse(request, "admin/tracking/eventtype/tried.html", context)

    def again_view(self, request: HttpRequest, id: int, number: int) -> HttpResponse:
        """Takes an earlier version up again: as a new one, so that nothing is lost."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        event_type = get_object_or_404(EventType, pk=id)
        if not self.has_change_permission(request, event_type):
            raise PermissionDenied
        old = get_object_or_404(SchemaVersion, event_type=event_type, number=number)
        self._take_up(request, event_type, old)
        return HttpResponseRedirect(reverse("admin:tracking_eventtype_change", args=[id]))

    def _take_up(self, request: HttpRequest, event_type: EventType, old: SchemaVersion) -> None:
        try:
            version = self._put_in_force(request, event_type, read(written(old.schema)))
        except ValidationError as error:
            messages.error(request, f"Version {old.number} cannot be taken up: {error.messages[0]}")
            return
        if version is None:
            messages.info(request, f"The schema of version {old.number} is in force already.")
            return
        text = f"Version {version.number} has the schema of version {old.number}, and is in force."
        self.log_change(request, event_type, text)
        messages.success(request, text)
