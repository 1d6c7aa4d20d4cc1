"""Do-not-enrol lists."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import do_not_enrol as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.operations import do_not_enrol


class DoNotEnrolView(NativeView):
    """/collections/{collection}/do-not-enrol."""

    @described("listDoNotEnrol", "collection", query=Page, answer=wire.DoNotEnrol)
    def get(self, request: Request, collection: str) -> Response:
        """List the references of people who are not to be enrolled."""
        given = self.parse(Page)
        after = from_cursor(given["cursor"], int) or 0
        page = do_not_enrol.list_barred(self.caller, collection=collection, limit=given["limit"], after=after)
        following = cursor(page.last) if page.more else None
        return Response(wire.DoNotEnrol({"references": page.entries, "next_cursor": following}).data)

    @described("addDoNotEnrol", "collection", body=wire.NewBarredReference, status=201, answer=wire.BarredReference)
    def post(self, request: Request, collection: str) -> Response:
        """Have somebody enrolled no more; what is enrolled of them stays until they are erased."""
        given = self.parse(wire.NewBarredReference)
        entry = do_not_enrol.bar(self.caller, collection=collection, **given)
        return Response(wire.BarredReference(entry).data, status=201)


class BarredReferenceView(NativeView):
    """/collections/{collection}/do-not-enrol/{reference}."""

    @described("removeDoNotEnrol", "collection reference", status=204, answer=None)
    def delete(self, request: Request, collection: str, reference: str) -> Response:
        """Take somebody off the list."""
        do_not_enrol.unbar(self.caller, collection=collection, reference=reference)
        return Response(status=204)
