"""Receipts of erasures."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import receipts as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.operations import erase


class ReceiptsView(NativeView):
    """/receipts."""

    @described("listReceipts", query=Page, answer=wire.Receipts)
    def get(self, request: Request) -> Response:
        """List erasures, newest first."""
        query = self.parse(Page)
        before = from_cursor(query["cursor"], int)
        found = list(erase.list_receipts(self.caller, before=before, limit=query["limit"] + 1))
        page = found[: query["limit"]]
        following = cursor(page[-1].pk) if len(found) > len(page) else None
        return Response(wire.Receipts({"receipts": page, "next_cursor": following}).data)


class ReceiptView(NativeView):
    """/receipts/{receipt}."""

    @described("getReceipt", "receipt", answer=wire.Receipt)
    def get(self, request: Request, receipt: str) -> Response:
        """Return an erasure with its signed document."""
        return Response(wire.Receipt(erase.get_receipt(self.caller, receipt=receipt)).data)
