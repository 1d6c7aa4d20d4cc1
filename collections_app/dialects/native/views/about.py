"""Who is asking, what the codes of problems mean, and what is nowhere."""

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
        """Say who is asking."""
        return Response(wire.Me(self.caller).data)


class VersionView(NativeView):
    """/version."""

    @described("getVersion", answer=wire.Version)
    def get(self, request: Request) -> Response:
        """Tell which release answers."""
        return Response(wire.Version({"version": settings.VERSION}).data)


class UsageView(NativeView):
    """/usage."""

    @described("getUsage", "", errors.WHOLE_TENANT, query=wire.Days, answer=wire.Usage)
    def get(self, request: Request) -> Response:
        """Count the tenant's calls by UTC day and endpoint, and say how many it may make; seconds late."""
        calls = usage.count_calls(self.caller, days=self.parse(wire.Days)["days"])
        return Response(wire.Usage({"usage": calls, "limits": self.caller.tenant}).data)


class ProblemsView(NativeView):
    """/problems."""

    @described("listProblems", answer=wire.Problems)
    def get(self, request: Request) -> Response:
        """List every code with its status and what it means."""
        known = {answer.code: {"status": answer.status, "title": answer.text} for answer in errors.ANSWERS.values()}
        return Response(wire.Problems({"problems": known, "packs": packs.names()}).data)


class UnknownView(NativeView):
    """Any other path."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say that there is nothing here."""
        raise NotFound
