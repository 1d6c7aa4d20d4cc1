"""The time zone in which a member reads times."""

from typing import Any

from django.forms import Form
from django.http import HttpResponse
from django.utils.translation import gettext as _

from collections_app.console.base import FormView
from collections_app.console.forms import TimeZoneForm
from collections_app.operations.members import set_time_zone
from tenants.access import Scope


class TimeZoneView(FormView):
    """Choose it."""

    needs_to_change = Scope.READ
    template = "console/time_zone.html"
    form = TimeZoneForm

    def blank(self, **where: Any) -> Form:
        """Show the present one."""
        return TimeZoneForm(initial={"name": self.caller.time_zone})

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Change it."""
        set_time_zone(self.caller, **form.cleaned_data)
        return self.done(_("Saved."), "time_zone")
