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
        """List the references of people who must not be enrolled."""
        query = self.parse(Page)
        after = from_cursor(query["cursor"], int) or 0
        page = do_not_enrol.list_barred(self.caller, collection=collection, limit=query["limit"], after=after)
        following = cursor(page.last) if page.more else None
        return Response(wire.DoNotEnrol({"references": page.entries, "next_cursor": following}).data)

    @described("addDoNotEnrol", "collection", body=wire.NewBarredReference, status=201, answer=wire.BarredReference)
    def post(self, request: Request, collection: str) -> Response:
        """Block future enrolments of a person; faces that are already enrolled remain until they are erased."""
        body = self.parse(wire.NewBarredReference)
        entry = do_not_enrol.bar(self.caller, collection=collection, **body)
        return Response(wire.BarredReference(entry).data, status=201)


class BarredReferenceView(NativeView):
    """/collections/{collection}/do-not-enrol/{reference}."""

    @described("removeDoNotEnrol", "collection reference", status=204, answer=None)
    def delete(self, request: Request, collection: str, reference: str) -> Response:
        """Remove a person from the list."""
        do_not_enrol.unbar(self.caller, collection=collection, reference=reference)
        return Response(status=204)
