"""The forms of the keys' page."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm, offer

SCOPES = {
    "read": _("Read: list and look at faces and people"),
    "search": _("Search: detect, compare, search"),
    "enrol": _("Enrol: add faces, change people"),
    "delete": _("Delete: erase faces and people; with Administer, collections too"),
    "admin": _("Administer: collections, policies, keys"),
    "audit": _("Audit: read the search log and the audit log"),
}

_MOST = 2**31 - 1


class KeyForm(ConsoleForm):
    """A key to be."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Which program or place will use it."))
    scopes = forms.MultipleChoiceField(
        label=_("May"), widget=forms.CheckboxSelectMultiple, initial=["read", "search", "enrol", "delete"]
    )
    collections = forms.MultipleChoiceField(
        label=_("Collections"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all of them, those to come too."),
    )
    days = forms.IntegerField(
        label=_("Expires after so many days"), min_value=1, max_value=3650, required=False, help_text=_("Empty: never.")
    )
    networks = forms.CharField(
        label=_("Only from these addresses"),
        required=False,
        help_text=_("For example 192.0.2.0/24, separated by commas. Empty: from anywhere."),
    )
    requests_per_minute = forms.IntegerField(
        label=_("Most requests a minute"), min_value=1, max_value=_MOST, required=False
    )
    calls_per_day = forms.IntegerField(label=_("Most calls a day"), min_value=1, max_value=_MOST, required=False)

    def __init__(self, *args: Any, scopes: Iterable[str], collections: list[str], **kwargs: Any) -> None:
        """Offer what the member holds: nobody hands out more."""
        super().__init__(*args, **kwargs)
        offer(self, "scopes", ((name, label) for name, label in SCOPES.items() if name in scopes))
        offer(self, "collections", ((name, name) for name in collections))

    def clean_collections(self) -> list[str] | None:
        """None ticked means all."""
        return self.cleaned_data["collections"] or None

    def clean_networks(self) -> list[str]:
        """Take the list apart; the operation says what is no network."""
        return [word.strip() for word in self.cleaned_data["networks"].split(",") if word.strip()]


class RotateForm(ConsoleForm):
    """How long the old secret works beside the new one."""

    hours = forms.TypedChoiceField(
        label=_("The old secret works for"),
        coerce=int,
        choices=[(24, _("another day")), (168, _("another week")), (0, _("not a moment longer"))],
    )


class RevokeForm(ConsoleForm):
    """What becomes of the keys that a key issued."""

    issued = forms.ChoiceField(
        label=_("The keys that it issued"),
        choices=[("revoke", _("and the keys that it issued")), ("keep", _("keep the keys that it issued"))],
        required=False,
    )
