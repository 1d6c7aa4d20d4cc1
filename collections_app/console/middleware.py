"""Middleware for pages only, never for the dialects: language, second factor, redirects, request size."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override
from django_otp import user_has_device

from collections_app.console.entrances import refused
from collections_app.console.provider import BY_PROVIDER
from tenants.access import CROWDED

Handler = Callable[[HttpRequest], HttpResponse]
_FOR_MEMBERS = ("/console/", "/account/", "/operator/", "/admin/")
_FOR_PEOPLE = (*_FOR_MEMBERS, "/capture/")


def locale(get_response: Handler) -> Handler:
    """Choose a page's language by cookie, then by the browser's preference; dialects answer in their vendors' words.

    A thread keeps the language that was activated last, so each request starts with the default and restores it.
    """
    translated = LocaleMiddleware(get_response)

    def handle(request: HttpRequest) -> HttpResponse:
        with override(settings.LANGUAGE_CODE):
            if request.path_info.startswith(_FOR_PEOPLE):
                answer: HttpResponseBase = translated(request)  # type: ignore[assignment]
                return answer  # type: ignore[return-value]
            return get_response(request)

    return handle


def crowded(get_response: Handler) -> Handler:
    """Refuse a page when the server reports too many concurrent requests from the client."""

    def handle(request: HttpRequest) -> HttpResponse:
        if request.META.get(CROWDED) and request.path.startswith(_FOR_PEOPLE):
            return refused(request, 1)
        return get_response(request)

    return handle


def second_factor(get_response: Handler) -> Handler:
    """Redirect a user with an authenticator to the code page until this session has been verified.

    A session that an OpenID Connect provider began is the provider's to verify.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(_FOR_MEMBERS) and request.user.is_authenticated:
            exempt = {reverse("console:code"), reverse("console:logout"), reverse("console:language")}
            verified = request.user.is_verified() or BY_PROVIDER in request.session  # type: ignore[attr-defined]  # OTPMiddleware's
            if not verified and request.path not in exempt and user_has_device(request.user):
                return redirect("console:code")
        return get_response(request)

    return handle


def see_other(get_response: Handler) -> Handler:
    """Redirect after a POST with 303, so that reloading the next page does not post again."""

    def handle(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        if request.method == "POST" and answer.status_code == HTTPStatus.FOUND and request.path.startswith(_FOR_PEOPLE):
            answer.status_code = HTTPStatus.SEE_OTHER
        return answer

    return handle


class Size:
    """Refuse a body that is too large before the CSRF middleware, the next one, parses it.

    Users who are not signed in have only small forms to send. Views without CSRF protection belong to dialects: they
    authenticate the caller before they read the body, and refuse it in the vendor's words.
    """

    def __init__(self, get_response: Handler) -> None:
        """Store the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_args: Any) -> HttpResponse | None:
        """Refuse a body that is too large."""
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
        if announced <= settings.STRANGER_BYTES or getattr(view, "csrf_exempt", False):
            return None
        if announced <= settings.MAX_BODY_BYTES and request.user.is_authenticated:
            return None
        if announced <= settings.MAX_BODY_BYTES and "HX-Request" in request.headers:
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED)  # the session has ended: console.js says so
        return HttpResponse(_("The request is too large."), status=413, content_type="text/plain")
