"""The page with which somebody without an account takes the pictures that a capture token is for."""

import secrets
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import get_script_prefix
from django.views import View

from tenants.captures import BROWSER, for_page
from tenants.errors import TenantsError
from tenants.request_log import OPERATION

_KNOWN_FOR = timedelta(days=1)


class CaptureView(View):
    """The camera with guidance over it. The page shows nothing of the people in the collection, and no score."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show it, unless the token cannot be used here any more."""
        request.META[OPERATION] = f"GET {request.resolver_match.route if request.resolver_match else ''}"
        browser = request.COOKIES.get(BROWSER, "")
        where: dict[str, Any] = {
            "via": "console",
            "address": request.META.get("REMOTE_ADDR", ""),
            "request_id": request.META.get("faceplane.request_id", ""),
        }
        try:
            capture = for_page(token, browser=browser, **where)
        except TenantsError:
            return _private(render(request, "console/capture_over.html", status=HTTPStatus.GONE))
        context = {"capture": capture, "token": token, "api": f"{get_script_prefix()}api/v1/captures/{capture.pk}"}
        answer = render(request, "console/capture.html", context)
        answer.set_cookie(
            BROWSER,
            browser or secrets.token_urlsafe(),
            max_age=_KNOWN_FOR,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.HTTPS,
            httponly=True,
            samesite="Lax",
        )
        return _private(answer)


def _private(answer: HttpResponse) -> HttpResponse:
    """Let no cache keep the page, and no other page learn its address, which holds the secret."""
    answer["Cache-Control"] = "private, no-store"
    answer["Referrer-Policy"] = "no-referrer"
    return answer
