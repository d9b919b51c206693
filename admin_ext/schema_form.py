"""Writing an event type: its schema as text, checked where it is written."""

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from tracking.models import Application, EventType
from tracking.problems import Problem
from tracking.schema_check import check

if TYPE_CHECKING:
    EventTypeModelForm = forms.ModelForm[EventType]
else:
    EventTypeModelForm = forms.ModelForm

STARTER = {"type": "object", "required": [], "properties": {"path": {"type": "string"}}}
# How people write a schema. The database keeps its keys in an order of its own.
ORDER = (
    "$schema",
    "title",
    "description",
    "$ref",
    "type",
    "enum",
    "const",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "items",
    "$defs",
)
LINE = 72
PLACES = {keyword: place for place, keyword in enumerate(ORDER)}
HELP = (
    "JSON Schema, draft 2020-12, for the data of such events. What it does not name is allowed; "
    "references lead to places in this document, like #/$defs/name."
)
PUT_TOGETHER = "Copy what is yours, open this page anew, and write it into that version."


def written(schema: Any) -> str:
    """A schema as people write one: well known keys first, and on one line what fits there."""
    return _written(_ordered(schema), "")


def _written(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and len(line) <= LINE):
        return line
    deeper = indent + "  "
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    lines = (_key(key) + _written(inner, deeper) for key, inner in items)
    inside = f",\n{deeper}".join(lines)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{deeper}{inside}\n{indent}{last}"


def _key(key: str | None) -> str:
    return "" if key is None else json.dumps(key, ensure_ascii=False) + ": "


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: PLACES.get(key, len(ORDER)))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def read(text: str) -> dict[str, Any]:
    """The schema that a text holds. Raises `ValidationError` with all that is wrong with it."""
    try:
        schema = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"This is no JSON from line {error.lineno}, column {error.colno} on. "
            "Look there for a comma, a quote or a bracket too few or too many."
        ) from None
    except RecursionError:
        raise ValidationError("This is nested too deep.") from None
    except ValueError:  # Python reads no more than some thousand digits
        raise ValidationError("A number in this has too many digits.") from None
    if problems := check(schema):
        raise ValidationError([told(problem) for problem in problems])
    return dict(schema)


def told(problem: Problem) -> str:
    return f"{problem.place()}: {problem.message}" if problem.field else problem.message


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    if twice := [key for key, count in counts.items() if count > 1]:
        raise ValidationError(f"The key {min(twice)} stands twice in one object. Keep one of them.")
    return dict(pairs)


def _no_number(word: str) -> float:
    raise ValidationError(f"{word} is no number in JSON. Leave it out.")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


class SeenVersion(forms.IntegerField):
    """What the editor began with, which changes nothing by itself."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


def editor() -> forms.CharField:
    attributes = {"rows": "22", "class": "eye-editor", "spellcheck": "false", "wrap": "off"}
    return forms.CharField(widget=UnfoldAdminTextareaWidget(attrs=attributes), help_text=HELP)


class EventTypeForm(EventTypeModelForm):
    schema = editor()
    # Which one is being edited.
    version = SeenVersion(widget=forms.HiddenInput, required=False)

    class Meta:
        model = EventType
        fields = ("application", "category", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = self.instance.versions.first() if self.instance.pk else None
        if "schema" in self.fields:  # who may only look has no editor
            self.fields["schema"].initial = written(newest.schema if newest else STARTER)
        self.fields["version"].initial = newest.number if newest else None

    def clean_schema(self) -> dict[str, Any]:
        return read(self.cleaned_data["schema"])

    def clean_version(self) -> int | None:
        """Of two who edit one version, the second would put the first one's out of force."""
        version: int | None = self.cleaned_data["version"]
        if self.instance.pk:
            # Locked until it is saved: of two who save at once, the second sees the first one's.
            EventType.objects.select_for_update().get(pk=self.instance.pk)
            newest = self.instance.versions.first()
            if newest and newest.number != version:
                self.add_error(
                    "schema", f"Version {newest.number} was saved meanwhile. {PUT_TOGETHER}"
                )
        return version


class TryForm(forms.Form):
    """What is in the editor, and of which events it is to be the schema."""

    type = forms.ModelChoiceField(EventType.objects, required=False)
    application = forms.ModelChoiceField(Application.objects, required=False)
    category = forms.CharField(max_length=200, required=False)
    name = forms.CharField(max_length=200, required=False)
    schema = editor()

    def clean_schema(self) -> dict[str, Any]:
        return read(self.cleaned_data["schema"])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if event_type := fields.get("type"):
            fields["application"] = event_type.application
            fields["category"], fields["name"] = event_type.category, event_type.name
        elif not (fields.get("category") and fields.get("name")):
            raise ValidationError("Write the category and the name of the events to try it on.")
        return fields
