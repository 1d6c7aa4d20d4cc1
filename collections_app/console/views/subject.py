"""A data subject's request: everything about a person over all collections, as a document, and its erasure."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import ngettext

from collections_app.console.base import ConsoleView, download
from collections_app.console.people_forms import SubjectForm
from collections_app.console.previews import pictures_of
from collections_app.operations import subject_requests
from tenants.access import Scope


class SubjectView(ConsoleView):
    """Find a person in all collections."""

    needs = Scope.ADMIN
    template = "console/subject.html"
    section = "subject"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show them."""
        wanted = request.GET.get("person", "").strip()
        return self.page(wanted=wanted, found=subject_requests.find_subject(self.caller, wanted=wanted))


class SubjectDocumentView(ConsoleView):
    """Everything about the chosen people as a document that a person reads; each export is logged."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send it, in the page's language."""
        people = self.values(SubjectForm(request.POST))["people"]
        records = subject_requests.export_subject(self.caller, people=people)
        shown = {"tenant": self.caller.tenant, "made": timezone.now(), "language": translation.get_language()}
        each = [(record, pictures_of(record)) for record in records]
        document = render_to_string("console/subject_document.html", {**shown, "records": each})
        return download(document, f"subject-{timezone.now():%Y%m%d}.html", "text/html; charset=utf-8")


class SubjectEraseView(ConsoleView):
    """Erase the chosen people."""

    needs = Scope.DELETE

    def post(self, request: HttpRequest) -> HttpResponse:
        """Erase them; each has a receipt."""
        values: dict[str, Any] = self.values(SubjectForm(request.POST))
        receipts = subject_requests.delete_subject(self.caller, **values)
        if len(receipts) == 1:
            return self.done(
                ngettext("%(n)d person is erased.", "%(n)d people are erased.", 1) % {"n": 1},
                "receipt",
                receipt=receipts[0].uuid,
            )
        count = len(receipts)
        return self.done(
            ngettext("%(n)d person is erased.", "%(n)d people are erased.", count) % {"n": count}, "receipts"
        )
