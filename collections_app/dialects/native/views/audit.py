"""The audit log."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import audit as wire
from collections_app.dialects.native.wire.base import cursor, from_cursor
from collections_app.operations import audit


class AuditView(NativeView):
    """/audit."""

    @described("listAudit", "", errors.WHOLE_TENANT, query=wire.Query, answer=wire.Entries)
    def get(self, request: Request) -> Response:
        """List entries, newest first."""
        query = self.parse(wire.Query)
        before = from_cursor(query["cursor"], int)
        page = audit.list_entries(self.caller, filters=wire.filters(query), before=before, limit=query["limit"])
        following = None if page.before is None else cursor(page.before)
        return Response(wire.Entries({"entries": page.entries, "next_cursor": following}).data)


class AuditVerificationView(NativeView):
    """/audit/verification."""

    @described("verifyAudit", "", errors.WHOLE_TENANT, answer=wire.Verification)
    def get(self, request: Request) -> Response:
        """Recompute the whole chain."""
        return Response(wire.Verification(audit.verify_chain(self.caller)).data)


class AuditExportView(NativeView):
    """/audit/export."""

    @described("exportAudit", "", errors.WHOLE_TENANT, query=wire.ExportQuery, answer=wire.Export)
    def get(self, request: Request) -> Response:
        """Return entries as the text of a file, with a signed statement about it."""
        query = self.parse(wire.ExportQuery)
        taken = audit.export(self.caller, form=query["form"], filters=wire.filters(query))
        return Response(wire.Export(taken).data)
