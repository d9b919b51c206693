"""Forms of the admin that check more than the models do."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldBooleanSwitchWidget

from tracking.keys import NotAnOrigin, clean_origin
from tracking.models import ApiKey, Application

if TYPE_CHECKING:
    ApiKeyModelForm = forms.ModelForm[ApiKey]
    ApplicationModelForm = forms.ModelForm[Application]
else:
    ApiKeyModelForm = ApplicationModelForm = forms.ModelForm


class ApiKeyForm(ApiKeyModelForm):
    class Meta:
        model = ApiKey
        fields = ("application", "kind", "origins", "expires_at")

    def clean_origins(self) -> list[str]:
        return [cleaned(origin) for origin in self.cleaned_data["origins"]]

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        kind = fields.get("kind", self.instance.kind)
        if kind == ApiKey.Kind.SECRET and fields.get("origins"):
            self.add_error("origins", "A secret key has no origins: browsers may not use it.")
        return fields


class ApplicationForm(ApplicationModelForm):
    """Asks once more before events that are stored are kept for fewer days."""

    delete_older = forms.BooleanField(
        label="Delete what is older",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Needed where events are to be kept for fewer days than before.",
    )

    class Meta:
        model = Application
        fields = (
            "name",
            "strict",
            "retention_days",
            "secret_events_per_minute",
            "publishable_events_per_minute",
        )

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        days, before = fields.get("retention_days"), self.initial.get("retention_days")
        is_shorter = days is not None and (before is None or days < before)
        if self.instance.pk and is_shorter and not fields.get("delete_older"):
            text = (
                f"Stored events older than {days:,} days will be deleted for good, and reports that "
                "are of them cannot be computed anew. Switch this on if that is what you want."
            )
            self.add_error("delete_older", text)
        return fields


class RotateForm(forms.Form):
    """How long the old key goes on beside the new one."""

    keep = forms.TypedChoiceField(
        label="The old key",
        choices=(
            ("0", "ends now"),
            ("1", "goes on for 1 hour"),
            ("24", "goes on for 24 hours"),
            ("168", "goes on for 7 days"),
        ),
        coerce=lambda hours: timedelta(hours=int(hours)),
        initial="24",
        widget=UnfoldAdminRadioSelectWidget,
    )


def cleaned(origin: str) -> str:
    """The origin exactly as browsers send it; anything else would lock its page out."""
    try:
        exact = clean_origin(origin)
    except NotAnOrigin as error:
        raise ValidationError(str(error)) from None
    except ValueError:
        raise ValidationError(f"{origin!r} is no address.") from None
    if not exact.isascii():
        raise ValidationError(f"{origin!r}: write the host as browsers send it, in ASCII (xn--…).")
    return exact
