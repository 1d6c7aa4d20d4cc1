"""The caller, the release, usage, the codes of problems, and unknown paths."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import about as wire
from collections_app.operations import usage
from recognition import packs


class MeView(NativeView):
    """/me."""

    @described("whoAmI", answer=wire.Me)
    def get(self, request: Request) -> Response:
        """Return the tenant, the key and its scopes."""
        return Response(wire.Me(self.caller).data)


class VersionView(NativeView):
    """/version."""

    @described("getVersion", answer=wire.Version)
    def get(self, request: Request) -> Response:
        """Return the server's release."""
        return Response(wire.Version({"version": settings.VERSION}).data)


class UsageView(NativeView):
    """/usage."""

    @described("getUsage", "", errors.WHOLE_TENANT, query=wire.Days, answer=wire.Usage)
    def get(self, request: Request) -> Response:
        """Return the tenant's calls by UTC day and endpoint, some seconds late, and its limits."""
        calls = usage.count_calls(self.caller, days=self.parse(wire.Days)["days"])
        return Response(wire.Usage({"usage": calls, "limits": self.caller.tenant}).data)


class ProblemsView(NativeView):
    """/problems."""

    @described("listProblems", answer=wire.Problems)
    def get(self, request: Request) -> Response:
        """List every code with its status and meaning."""
        known = {answer.code: {"status": answer.status, "title": answer.text} for answer in errors.ANSWERS.values()}
        return Response(wire.Problems({"problems": known, "packs": packs.names()}).data)


class UnknownView(NativeView):
    """Any other path; answered with a problem document, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
