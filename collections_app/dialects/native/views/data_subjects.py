"""The export of everything stored about a person."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import data_subjects as wire
from collections_app.dialects.native.wire.base import BelowFloor
from collections_app.operations import data_subject


class PersonExportView(NativeView):
    """/collections/{collection}/people/{person}/export."""

    @described("exportPerson", "collection person", query=BelowFloor, answer=wire.Subject)
    def get(self, request: Request, collection: str, person: str) -> Response:
        """Return everything stored about a person."""
        below = self.parse(BelowFloor)["below_floor"]
        record = data_subject.export_person(self.caller, collection=collection, person=person, below=below)
        return Response(wire.Subject(record).data)
