"""The forms of a person's own pages."""

from typing import Any, TypeVar

from django import forms
from django.utils.translation import gettext_lazy as _

F = TypeVar("F", bound=forms.BaseForm)
_DIGITS = 6


def dressed(form: F) -> F:
    """Put one of Django's own forms in the console's clothes."""
    form.label_suffix = ""
    for field in form.fields.values():
        field.widget.attrs["class"] = "form-control"
    return form


class CodeForm(forms.Form):
    """The six digits of an authenticator app."""

    code = forms.CharField(
        label=_("Code"),
        min_length=_DIGITS,
        max_length=_DIGITS,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the widget."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["class"] = "form-control fp-code"
