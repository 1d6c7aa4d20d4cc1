"""The forms of the operator's pages."""

from typing import Any

from django import forms
from django.core.validators import validate_slug
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import ConsoleForm
from collections_app.console.labels import ROLES

_MOST = 2**31 - 1


class _LimitField(forms.IntegerField):
    """A limit of a tenant; empty: none."""

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, min_value=0, max_value=_MOST, required=False, help_text=_("Empty: no limit."))


class TenantForm(ConsoleForm):
    """A tenant's name and limits, in the rows' own names."""

    name = forms.CharField(label=_("Name"), max_length=200)
    face_quota = _LimitField(_("Faces"))
    collection_quota = _LimitField(_("Collections"))
    requests_per_minute = _LimitField(_("Requests per minute"))
    calls_per_day = _LimitField(_("Calls per day (UTC)"))


class NewTenantForm(TenantForm):
    """A new tenant."""

    slug = forms.CharField(
        label=_("Short name"),
        max_length=50,
        validators=[validate_slug],
        help_text=_("Stands in addresses: letters, digits, hyphens and underscores. It cannot be changed."),
    )
    field_order = ("slug", "name")


class InviteMemberForm(ConsoleForm):
    """Whom the operator invites: usually the first owner."""

    email = forms.EmailField(label=_("Email"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=list(ROLES.items()), initial="owner")
