"""What applies to pages for people and must not touch a vendor's wire: languages, second factor, redirects, sizes."""

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
from tenants.access import CROWDED

Handler = Callable[[HttpRequest], HttpResponse]
_FOR_PEOPLE = ("/console/", "/account/", "/admin/")


def locale(get_response: Handler) -> Handler:
    """Choose a page's language by cookie, then by the browser's wish; the dialects answer in their vendors' words.

    A thread keeps the language that was activated last: each request begins with the default, and leaves it behind.
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
    """Refuse a page where the server says that too many requests from there are under way."""

    def handle(request: HttpRequest) -> HttpResponse:
        if request.META.get(CROWDED) and request.path.startswith(_FOR_PEOPLE):
            return refused(request, 1)
        return get_response(request)

    return handle


def second_factor(get_response: Handler) -> Handler:
    """Send a person who has an authenticator, and has not yet shown its code in this session, to the page that asks."""

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(_FOR_PEOPLE) and request.user.is_authenticated:
            asked = {reverse("console:code"), reverse("console:logout"), reverse("console:language")}
            verified = request.user.is_verified()  # type: ignore[attr-defined]  # OTPMiddleware's
            if not verified and request.path not in asked and user_has_device(request.user):
                return redirect("console:code")
        return get_response(request)

    return handle


def see_other(get_response: Handler) -> Handler:
    """Send a browser that posted a form to the next page by GET (303), so that loading it again posts nothing."""

    def handle(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        if request.method == "POST" and answer.status_code == HTTPStatus.FOUND and request.path.startswith(_FOR_PEOPLE):
            answer.status_code = HTTPStatus.SEE_OTHER
        return answer

    return handle


class Size:
    """Refuse a body that is too large before CSRF protection, which stands next, looks for its token in it.

    A stranger has a form's few fields to send. What needs no CSRF token is a dialect's: its views find the caller
    before they look at a body, and refuse in the vendor's words.
    """

    def __init__(self, get_response: Handler) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_args: Any) -> HttpResponse | None:
        """Refuse it with a sentence, or let it pass."""
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
        if announced <= settings.STRANGER_BYTES or getattr(view, "csrf_exempt", False):
            return None
        if announced <= settings.MAX_BODY_BYTES and request.user.is_authenticated:
            return None
        return HttpResponse(_("This is more than may be sent here."), status=413, content_type="text/plain")
