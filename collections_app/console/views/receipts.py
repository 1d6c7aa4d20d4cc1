"""Receipts of erasure: what was erased, when, from which stores, and the signature."""

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from collections_app.console.base import ConsoleView, download
from collections_app.operations.erase import get_receipt, list_receipts
from collections_app.operations.receipts import check_receipt, receipt_key
from tenants.scope import as_id

_PAGE = 50


class ReceiptsView(ConsoleView):
    """Every erasure, newest first."""

    template = "console/receipts.html"
    fragment = "console/_receipts.html"
    section = "receipts"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show a page of them."""
        before = as_id(request.GET.get("before", ""))
        found = list(list_receipts(self.caller, before=before, limit=_PAGE + 1))
        after = found[_PAGE - 1].pk if len(found) > _PAGE else None
        return self.page(receipts=found[:_PAGE], after=after)


class ReceiptView(ConsoleView):
    """One erasure, and the check of its signature."""

    template = "console/receipt.html"
    section = "receipts"

    def get(self, request: HttpRequest, receipt: Any) -> HttpResponse:
        """Show it, and verify its signature on request."""
        if "check" not in request.GET:
            found = get_receipt(self.caller, receipt=str(receipt))
            return self.page(receipt=found, key=receipt_key(self.caller, receipt=found.uuid))
        checked = check_receipt(self.caller, receipt=str(receipt))
        template = "console/_checked.html" if request.htmx else ""  # type: ignore[attr-defined]  # HtmxMiddleware's
        return self.page(template=template, receipt=checked.receipt, checked=checked)


class DocumentView(ConsoleView):
    """The signed document for the data subject; `manage.py verify_receipt` checks it offline."""

    def get(self, request: HttpRequest, receipt: Any) -> HttpResponse:
        """Send it."""
        found = get_receipt(self.caller, receipt=str(receipt))
        if not found.document:
            raise Http404
        return download(json.dumps(found.document, ensure_ascii=False, indent=2), f"receipt-{found.uuid}.json")
