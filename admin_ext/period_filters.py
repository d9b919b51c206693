"""Filters of the lists by time: a usual period up to now, or times of one's own."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import get_current_timezone_name, localtime, now
from unfold.widgets import INPUT_CLASSES

from admin_ext import spans
from admin_ext.kit import DropdownFilter, DropdownForm
from admin_ext.spans import PERIODS, BadPeriod
from admin_ext.zones import zone_in_words
from tracking.ids import first_id_at

# The last time that a form takes.
LATEST = "2099-12-31T23:59"


class PeriodForm(DropdownForm):
    """Below the usual periods, times of one's own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        looks = {"type": "datetime-local", "class": " ".join(INPUT_CLASSES), "max": LATEST}
        for name in ("from", "to"):
            self.fields[name] = forms.CharField(
                label=name.capitalize(), required=False, widget=forms.TextInput(looks)
            )
        hint = f"With these, the choice above does not count. In {zone_in_words()}."
        self.fields["to"].help_text = hint
        self.fields["zone"] = forms.CharField(required=False, widget=forms.HiddenInput)


class PeriodFilter(DropdownFilter):
    title = "period"
    parameter_name = "period"
    more_parameters = spans.TYPED
    form_class = PeriodForm
    field = "received_at"

    def __init__(self, request: HttpRequest, params: dict[str, Any], *args: Any) -> None:
        super().__init__(request, params, *args)
        for name in self.more_parameters:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in PERIODS.items()]

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, *self.more_parameters]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if spans.is_typed(self.used_parameters):
            try:
                start, end = spans.typed(self.used_parameters, now())
            except BadPeriod as problem:
                messages.error(request, str(problem))
                return queryset.none()
            return self.since(queryset, start).filter(**{f"{self.field}__lt": self.at(end)})
        if (period := PERIODS.get(self.value() or "")) is None:
            return queryset
        return self.since(queryset, now() - period[1])

    def since(self, queryset: QuerySet[Any], start: datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field}__gte": self.at(start)})

    def at(self, moment: datetime) -> Any:
        """What the field is at this time."""
        return moment

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices: Iterator[Any] = super().choices(changelist)
        for choice in choices:
            choice["form"].data.update(self._shown())
            yield choice

    def _shown(self) -> dict[str, str]:
        """The times of the viewer's zone, in which they may be changed."""
        zone = {"zone": get_current_timezone_name()}
        if not spans.is_typed(self.used_parameters):
            return zone
        with suppress(BadPeriod):
            ends = zip(("from", "to"), spans.typed(self.used_parameters, now()), strict=True)
            given = {
                name: f"{localtime(moment):%Y-%m-%dT%H:%M}"
                for name, moment in ends
                if self.used_parameters.get(name)
            }
            return {"period": "", **given, **zone}
        return {"period": "", **self.used_parameters}


class LastEventPeriod(PeriodFilter):
    title = "last event"
    field = "last_at"


class EndedPeriod(PeriodFilter):
    title = "last event"
    field = "ended_at"


class EventPeriod(PeriodFilter):
    """An event's id begins with its time: a period is a range of ids, read from its newest end."""

    field = "pk"

    def at(self, moment: datetime) -> Any:
        return first_id_at(moment)


class FoundPeriod(PeriodFilter):
    field = "created_at"
