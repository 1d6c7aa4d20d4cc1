"""The forms of the playground: images, and what to do with them."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm, offer
from recognition.images import DEFAULT_LIMITS, FORMATS, MEDIA_TYPES

_LONGEST = 255


class ImageField(forms.FileField):
    """An image as bytes; the operations determine its real format."""

    widget = forms.FileInput(attrs={"accept": ",".join(MEDIA_TYPES[name] for name in FORMATS)})

    def clean(self, data: Any, initial: Any = None) -> Any:
        """Read the file unless it is too large."""
        file = super().clean(data, initial)
        if file and file.size > DEFAULT_LIMITS.max_bytes:
            raise forms.ValidationError(_("The image is too large."))
        return file.read() if file else b""


class DetectForm(ConsoleForm):
    """One image."""

    image = ImageField(label=_("Image"))


class CompareForm(DetectForm):
    """Two images."""

    second = ImageField(label=_("Second image"))


class SearchForm(DetectForm):
    """One image and a collection."""

    collection = forms.ChoiceField(label=_("Collection"))

    def __init__(self, *args: Any, collections: list[str], **kwargs: Any) -> None:
        """Offer the collections that the caller can reach, by name."""
        super().__init__(*args, **kwargs)
        offer(self, "collection", ((name, name) for name in collections))


class EnrolForm(SearchForm):
    """One image, a collection and a name."""

    name = forms.CharField(label=_("Name of the person"), max_length=_LONGEST)
    consent = forms.CharField(label=_("Consent reference"), max_length=_LONGEST, required=False)


class PhotoForm(DetectForm):
    """A photo of a known person; which of its faces, if one was chosen; and whether the member is sure."""

    consent = forms.CharField(label=_("Consent reference"), max_length=_LONGEST, required=False)
    at = forms.CharField(required=False, widget=forms.HiddenInput)
    sure = forms.BooleanField(required=False)

    def clean_at(self) -> tuple[float, float] | None:
        """Return the place in the image, in pixels."""
        if not self.cleaned_data["at"]:
            return None
        try:
            x, y = map(float, self.cleaned_data["at"].split(","))
        except ValueError:
            raise forms.ValidationError(_("This is not a place in the image.")) from None
        return x, y


class VerdictForm(ConsoleForm):
    """A score and the threshold to compare it with, both in whole points."""

    score = forms.IntegerField(min_value=0, max_value=100, widget=forms.HiddenInput)
    threshold = forms.IntegerField(
        label=_("Threshold"), min_value=0, max_value=100, widget=forms.NumberInput(attrs={"type": "range"})
    )
