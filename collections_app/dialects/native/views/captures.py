"""Captures: a browser that holds no key does one thing once, with a token that a key gave."""

from dataclasses import replace
from typing import Any

from django.utils.cache import patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import captures as wire
from collections_app.dialects.native.wire.challenges import Challenge
from collections_app.errors import ChallengeUnusable, ConsentRequired, ImageRefused, PersonNotFound
from collections_app.operations import captures
from recognition.errors import LowQuality
from tenants import request_log
from tenants.access import Caller
from tenants.captures import BROWSER, caller_for, origin_of
from tenants.errors import CaptureNotFound, CaptureUnusable

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-type, x-api-key",
    "Access-Control-Max-Age": "600",
}


class CapturesView(NativeView):
    """/captures."""

    @described(
        "issueCapture",
        "",
        errors.NAMED["collection"],
        (PersonNotFound, ConsentRequired),
        body=wire.NewCapture,
        status=201,
        answer=wire.IssuedCaptureToken,
    )
    def post(self, request: Request) -> Response:
        """Give a browser the right to do one thing once; only this answer contains the token."""
        issued = captures.ask_capture(self.caller, **self.parse(wire.NewCapture))
        return Response(wire.IssuedCaptureToken(issued).data, status=201)


class CaptureView(NativeView):
    """/captures/{capture}."""

    @described("getCapture", "capture", (CaptureNotFound,), answer=wire.Capture)
    def get(self, request: Request, capture: str) -> Response:
        """Return a capture, and what came of it once it is done."""
        return Response(wire.Capture(captures.get_capture(self.caller, capture=capture)).data)


class TokenView(NativeView):
    """The base of what a capture token opens, in a key's place: it opens nothing else, and no key opens this.

    Browsers may call it from pages of the token's own origin: a preflight is answered for that one alone.
    """

    crosses = False  # whether the request comes from a page of that origin

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let a preflight from the token's origin pass; it has no token."""
        origin = request.headers.get("Origin", "")
        self.crosses = bool(origin) and origin_of(kwargs["capture"]) == origin
        if not (self.crosses and request.method == "OPTIONS"):
            super().initial(request, *args, **kwargs)

    def find_caller(self, request: Request, **origin: str) -> Caller:
        """Return the caller behind the token."""
        here = {"origin": request.headers.get("Origin", ""), "browser": request.COOKIES.get(BROWSER, "")}
        return caller_for(self.kwargs["capture"], self.credentials(request), **here, **origin)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Answer a preflight."""
        return Response(status=204, headers=_PREFLIGHT)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let a page of the token's origin read the answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ["Origin"])
        if self.crosses:
            response["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response["Access-Control-Expose-Headers"] = "Retry-After"
        return response


class GuidanceView(TokenView):
    """/captures/{capture}/guidance."""

    def find_caller(self, request: Request, **origin: str) -> Caller:
        """Return the caller without the limits of its key: the token counts these calls itself."""
        return replace(super().find_caller(request, **origin), limits=())

    @described("guideCapture", "capture", errors.IMAGE, (CaptureUnusable,), body=wire.Look, answer=wire.Guided)
    def post(self, request: Request, capture: str) -> Response:
        """Say how the next picture would be better; send a capture token in the place of a key."""
        guided = captures.guide(self.caller, capture=capture, image=self.parse(wire.Look)["image"])
        request_log.leave_out()
        return Response(wire.Guided(guided).data)


class ChallengeView(TokenView):
    """/captures/{capture}/challenge."""

    @described("startCaptureChallenge", "capture", (CaptureUnusable,), status=201, answer=Challenge)
    def post(self, request: Request, capture: str) -> Response:
        """Start the liveness challenge of a capture; send a capture token in the place of a key."""
        return Response(Challenge(captures.start_challenge(self.caller, capture=capture)).data, status=201)


class UseView(TokenView):
    """/captures/{capture}/use."""

    @described(
        "useCapture",
        "capture",
        errors.ONE_FACE,
        (LowQuality, ImageRefused, ChallengeUnusable, CaptureUnusable),
        body=wire.UseCapture,
        answer=wire.Used,
    )
    def post(self, request: Request, capture: str) -> Response:
        """Do what a capture token allows, once; send it in the place of a key."""
        body = self.parse(wire.UseCapture)
        return Response(wire.Used(captures.use_capture(self.caller, capture=capture, **body)).data)
