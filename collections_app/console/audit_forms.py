"""What the audit log can be narrowed by."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.operations.audit import ACTIONS

FAMILIES = {
    "face": _("faces"),
    "person": _("people"),
    "collection": _("collections"),
    "key": _("keys"),
    "member": _("members"),
    "webhook": _("webhooks"),
    "index": _("indexes"),
    "image": _("kept images"),
    "data_key": _("data keys"),
    "do_not_enrol": _("do-not-enrol lists"),
    "tenant": _("the tenant"),
    "alert": _("alerts"),
    "audit": _("this log"),
}


def actions() -> Iterator[tuple[Any, Any]]:
    """Offer each family whole, by its name and a dot, and each of its actions."""
    yield "", _("any")
    for family, label in FAMILIES.items():
        whole = f"{family}."
        yield label, [(whole, f"{whole}*"), *((name, name) for name in ACTIONS if name.startswith(whole))]


class AuditForm(forms.Form):
    """The filters of the audit log."""

    action = forms.ChoiceField(label=_("What"), choices=actions, required=False)
    actor = forms.CharField(label=_("Key or user id"), required=False)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    request_id = forms.CharField(label=_("Request id"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the widgets."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select form-select-sm" if select else "form-control form-control-sm"
