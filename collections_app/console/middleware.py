"""What applies to pages for people and must not touch a vendor's wire: languages, and the second factor."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect
from django.urls import reverse
from django_otp import user_has_device

Handler = Callable[[HttpRequest], HttpResponse]
_FOR_PEOPLE = ("/console/", "/account/", "/admin/")


def locale(get_response: Handler) -> Handler:
    """Choose a page's language by cookie, then by the browser's wish; the dialects answer in their vendors' words."""
    translated = LocaleMiddleware(get_response)

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_FOR_PEOPLE):
            answer: HttpResponseBase = translated(request)  # type: ignore[assignment]
            return answer  # type: ignore[return-value]
        return get_response(request)

    return handle


def second_factor(get_response: Handler) -> Handler:
    """Send a person who has an authenticator, and has not yet shown its code in this session, to the page that asks."""

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(_FOR_PEOPLE) and request.user.is_authenticated:
            asked = {reverse("console:code"), reverse("console:logout"), reverse("console:language")}
            verified = request.user.is_verified()  # type: ignore[attr-defined]  # OTPMiddleware's
            if not verified and request.path not in asked and user_has_device(request.user):
                return redirect("console:code")
        return get_response(request)

    return handle
