"""The tenant's settings."""

from typing import Any

from django.forms import Form
from django.http import HttpResponse
from django.utils.translation import gettext as _

from collections_app.console.base import FormView
from collections_app.console.forms import TenantForm
from collections_app.dialects import DIALECTS
from collections_app.operations.overview import overview
from collections_app.operations.tenant_settings import update_tenant
from tenants.access import Scope


class SettingsView(FormView):
    """Name, quotas and the dialects' settings."""

    needs_to_change = Scope.ADMIN
    template = "console/settings.html"
    section = "settings"
    form = TenantForm

    def blank(self, **where: Any) -> Form:
        """Show the current settings."""
        return TenantForm(initial=TenantForm.initial_for(self.caller.tenant))

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show them with the usage of the quotas."""
        warnings = [one.warning(self.caller.tenant.profiles) for one in DIALECTS]
        return self.page(status, form=form, overview=overview(self.caller), warnings=list(filter(None, warnings)))

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Change them."""
        update_tenant(self.caller, **form.cleaned_data)
        return self.done(_("Saved."), "settings")
