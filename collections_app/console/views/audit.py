"""The audit log: its entries, its verification and its export."""

import io
import json
import zipfile
from typing import Any, get_args

from django.http import Http404, HttpRequest, HttpResponse

from collections_app.console.audit_forms import AuditForm
from collections_app.console.base import ConsoleView, download
from collections_app.console.filters import end_of_day, midnight
from collections_app.operations import audit
from collections_app.operations.signed_files import Export, Form
from tenants.access import Scope
from tenants.scope import as_id

_PAGE = 50


class AuditView(ConsoleView):
    """The entries, newest first unless the address asks for the oldest."""

    needs = Scope.AUDIT
    template = "console/audit.html"
    fragment = "console/_audit.html"
    section = "audit"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Filter and show."""
        form = AuditForm(request.GET)
        before = as_id(request.GET.get("before", ""))
        oldest = request.GET.get("order") == "oldest"
        found = audit.list_entries(self.caller, filters=_filters(form), before=before, limit=_PAGE, oldest=oldest)
        return self.page(form=form, found=found, in_use=sum(bool(form.data.get(name)) for name in form.fields))


class VerifyView(ConsoleView):
    """Verify the chain."""

    needs = Scope.AUDIT
    template = "console/_verified.html"
    section = "audit"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Recompute the chain."""
        return self.page(verification=audit.verify_chain(self.caller))


class ExportView(ConsoleView):
    """Export the log as a file; the export itself is logged."""

    needs = Scope.AUDIT

    def get(self, request: HttpRequest, form: str) -> HttpResponse:
        """Send an archive with the log and a signed statement, which `manage.py verify_receipt` checks."""
        if form not in get_args(Form):
            raise Http404
        kind: Any = form
        chosen = AuditForm(request.GET)
        self.values(chosen)  # refuses filters that the page would ignore: the file would hold more than was asked for
        return archived(audit.export(self.caller, form=kind, filters=_filters(chosen)))


def archived(exported: Export) -> HttpResponse:
    """Send a file and its signed statement as one archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(exported.name, exported.content)
        files.writestr("statement.json", json.dumps(exported.statement, ensure_ascii=False, indent=2))
    return download(archive.getvalue(), f"{exported.name}.zip", "application/zip")


def _filters(form: AuditForm) -> audit.Filters:
    """Convert the form's values; days begin at midnight in the member's time zone."""
    form.is_valid()  # invalid values are ignored
    values: dict[str, Any] = {name: value for name, value in form.cleaned_data.items() if value}
    if "since" in values:
        values["since"] = midnight(values["since"])
    if "until" in values:
        values["until"] = end_of_day(values["until"])
    return audit.Filters(**values)
