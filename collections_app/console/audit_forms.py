"""The filters of the audit log."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.labels import ACTIONS, DEEDS, FAMILIES


def actions() -> Iterator[tuple[Any, Any]]:
    """Offer each family as a whole, by its name and a dot, and each of its actions."""
    yield "", _("any")
    for family, label in FAMILIES.items():
        whole = f"{family}."
        yield label, [(whole, _("all")), *((name, word) for name, word in ACTIONS.items() if name.startswith(whole))]


class FilterForm(forms.Form):
    """Filters above a list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set the widgets' classes."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select form-select-sm" if select else "form-control form-control-sm"


def _day(label: Any) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput(attrs={"type": "date"}))


class TimelineForm(FilterForm):
    """Filter a person's timeline by what was done, and by day."""

    deed = forms.ChoiceField(label=_("What"), choices=[("", _("all")), *DEEDS.items()], required=False)
    since = _day(_("From"))
    until = _day(_("Until"))


class AuditForm(FilterForm):
    """Filter by action, actor, day and request."""

    action = forms.ChoiceField(label=_("What"), choices=actions, required=False)
    actor = forms.CharField(label=_("Key or user id"), required=False)
    since = _day(_("From"))
    until = _day(_("Until"))
    request_id = forms.CharField(label=_("Request id"), required=False)
