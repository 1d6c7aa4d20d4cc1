"""The form with which an owner has a collection exported."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm

_LONGEST = 255


class ExportForm(ConsoleForm):
    """The passphrase of a bundle, twice, since nobody can recover it."""

    passphrase = forms.CharField(
        label=_("Passphrase"),
        min_length=12,
        max_length=_LONGEST,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("12 characters at least. It is not stored: without it nobody opens the bundle."),
    )
    again = forms.CharField(
        label=_("The passphrase again"),
        max_length=_LONGEST,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    images = forms.BooleanField(label=_("With the kept images"), required=False)

    def clean(self) -> dict[str, Any]:
        """Compare the passphrases."""
        values = super().clean() or self.cleaned_data
        if {"passphrase", "again"} <= values.keys() and values["passphrase"] != values["again"]:
            self.add_error("again", _("These are two different passphrases."))
        return values
