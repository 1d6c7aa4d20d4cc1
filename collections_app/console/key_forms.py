"""The forms of the page of API keys."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm, offer
from collections_app.console.labels import SCOPE_HINTS, SCOPES
from collections_app.dialects import DIALECTS

_MOST = 2**31 - 1


class KeyForm(ConsoleForm):
    """A new key."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Which program or place will use it."))
    scopes = forms.MultipleChoiceField(
        label=_("Permissions"), widget=forms.CheckboxSelectMultiple, initial=["read", "search", "enrol", "delete"]
    )
    collections = forms.MultipleChoiceField(
        label=_("Collections"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("If none is selected: all collections, including future ones."),
    )
    signs = forms.BooleanField(label=_("For clients that sign with the secret"), required=False)
    days = forms.IntegerField(
        label=_("Expires after (days)"),
        min_value=1,
        max_value=3650,
        required=False,
        help_text=_("Leave empty for no expiry."),
    )
    networks = forms.CharField(
        label=_("Only from these addresses"),
        required=False,
        help_text=_("For example 192.0.2.0/24; separate several with commas. Leave empty to allow any address."),
    )
    requests_per_minute = forms.IntegerField(
        label=_("Maximum requests per minute"), min_value=1, max_value=_MOST, required=False
    )
    calls_per_day = forms.IntegerField(label=_("Maximum calls per day"), min_value=1, max_value=_MOST, required=False)

    def __init__(self, *args: Any, scopes: Iterable[str], collections: list[str] | None, **kwargs: Any) -> None:
        """Offer only the scopes that the member holds. Without `collections`, their names are typed."""
        super().__init__(*args, **kwargs)
        offer(
            self,
            "scopes",
            ((name, f"{label}: {SCOPE_HINTS[name]}") for name, label in SCOPES.items() if name in scopes),
        )
        if collections is None:
            self.fields["collections"] = forms.CharField(
                label=_("Collections"),
                required=False,
                widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
                help_text=_("Collection names, one per line. Leave empty for all collections, including future ones."),
            )
        elif collections:
            offer(self, "collections", ((name, name) for name in collections))
        else:
            del self.fields["collections"]
        signing = ", ".join(dialect.label for dialect in DIALECTS if dialect.credentials.signs)
        self.fields["signs"].help_text = _(
            "Needed for %(names)s. Such clients never send the secret, so the server keeps it, encrypted. "
            "The key works with no other API."
        ) % {"names": signing}

    def clean_collections(self) -> list[str] | None:
        """Return None, which means all, where none is selected or typed."""
        chosen: list[str] | str = self.cleaned_data["collections"]
        names = chosen.splitlines() if isinstance(chosen, str) else chosen
        return [name.strip() for name in names if name.strip()] or None

    def clean_networks(self) -> list[str]:
        """Split the list; the operation refuses invalid networks."""
        return [word.strip() for word in self.cleaned_data["networks"].split(",") if word.strip()]


class RotateForm(ConsoleForm):
    """How long the old secret stays valid."""

    hours = forms.TypedChoiceField(
        label=_("The old secret works for"),
        coerce=int,
        choices=[(24, _("another day")), (168, _("another week")), (0, _("no longer"))],
    )


class RevokeForm(ConsoleForm):
    """Whether the keys that a key issued are revoked too."""

    issued = forms.ChoiceField(
        label=_("The keys it issued"),
        choices=[("revoke", _("also revoke the keys it issued")), ("keep", _("keep the keys it issued"))],
        required=False,
    )
