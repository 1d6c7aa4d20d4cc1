"""The audit log: what was done, whether the log is whole, and its export."""

import io
import json
import zipfile
from typing import Any, get_args

from django.http import Http404, HttpRequest, HttpResponse

from collections_app.console.audit_forms import AuditForm
from collections_app.console.base import ConsoleView, download
from collections_app.console.filters import day_s_end, midnight
from collections_app.operations import audit
from tenants.access import Scope
from tenants.scope import as_id

_PAGE = 50


class AuditView(ConsoleView):
    """The entries, newest first."""

    needs = Scope.AUDIT
    template = "console/audit.html"
    section = "audit"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Filter and show."""
        form = AuditForm(request.GET)
        before = as_id(request.GET.get("before", ""))
        found = audit.list_entries(self.caller, filters=_filters(form), before=before, limit=_PAGE)
        template = "console/_audit.html" if request.htmx else ""  # type: ignore[attr-defined]  # HtmxMiddleware's
        return self.page(
            template=template, form=form, found=found, in_use=sum(bool(form.data.get(name)) for name in form.fields)
        )


class VerifyView(ConsoleView):
    """Whether the chain is whole."""

    needs = Scope.AUDIT
    template = "console/_verified.html"
    section = "audit"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Recompute it."""
        return self.page(verification=audit.verify_chain(self.caller))


class ExportView(ConsoleView):
    """The log as a file; that it was taken is an entry itself."""

    needs = Scope.AUDIT

    def get(self, request: HttpRequest, form: str) -> HttpResponse:
        """Send it in an archive with the signed statement of what it is, which `manage.py verify_receipt` checks."""
        if form not in get_args(audit.Form):
            raise Http404
        kind: Any = form
        taken = audit.export(self.caller, form=kind, filters=_filters(AuditForm(request.GET)))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
            files.writestr(taken.name, taken.content)
            files.writestr("statement.json", json.dumps(taken.statement, ensure_ascii=False, indent=2))
        return download(archive.getvalue(), f"{taken.name}.zip", "application/zip")


def _filters(form: AuditForm) -> audit.Filters:
    """Translate the form; a day is from midnight to midnight UTC."""
    form.is_valid()  # what is wrong does not narrow
    said: dict[str, Any] = {name: value for name, value in form.cleaned_data.items() if value}
    if "since" in said:
        said["since"] = midnight(said["since"])
    if "until" in said:
        said["until"] = day_s_end(said["until"])
    return audit.Filters(**said)
