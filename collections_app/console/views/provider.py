"""Sign-in with the company's account: to the provider, and back from it."""

import logging

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View

from collections_app.console import entrances, provider
from collections_app.operations.provided_members import Identity, admit
from tenants import sign_ins
from tenants.access import Limit
from tenants.links import absolute

logger = logging.getLogger("faceplane.sign_in")
_NEXT = "provider_next"  # the session's key of the page to show after the sign-in
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class LeaveView(View):
    """Send the browser to the provider."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Redirect, unless the address tried too often."""
        if settings.OIDC is None:
            raise Http404
        if entrances.too_often(request):
            return entrances.refused(request, Limit.MINUTE)
        wanted = request.GET.get("next", "")
        ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
        try:
            answer = provider.begin(request, absolute(reverse("console:provider_return")))
        except provider.ProviderFailed as failed:
            return _failed(request, failed)
        request.session[_NEXT] = wanted if ours else ""
        return answer


class ReturnView(View):
    """The browser comes back with a code: sign in whoever the provider says it is."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in, with the memberships that the claims give."""
        if settings.OIDC is None:
            raise Http404
        if entrances.too_often(request):
            return entrances.refused(request, Limit.MINUTE)
        try:
            claims = provider.finish(request)
        except provider.ProviderFailed as failed:
            return _failed(request, failed)
        user = admit(_identity(request, claims))
        if user is None:
            messages.error(request, _("Your company's account has no role here. Ask your administrator for one."))
            return redirect("console:login")
        wanted = request.session.pop(_NEXT, "")
        login(request, user, backend=_BACKEND)
        request.session[provider.BY_PROVIDER] = True
        sign_ins.note_sign_in(request, user)
        return redirect(wanted or resolve_url(settings.LOGIN_REDIRECT_URL))


def _identity(request: HttpRequest, claims: dict[str, object]) -> Identity:
    oidc = provider.configured()
    values = claims.get(oidc.claim) or []
    listed = [values] if isinstance(values, str) else values
    return Identity(
        issuer=oidc.issuer,
        subject=str(claims["sub"]),
        name=str(claims.get("preferred_username") or claims.get("email") or claims["sub"]),
        email=str(claims.get("email") or ""),
        roles=oidc.roles_of([str(value) for value in listed] if isinstance(listed, list) else []),
        address=request.META.get("REMOTE_ADDR", ""),
        request_id=request.META.get("faceplane.request_id", ""),
    )


def _failed(request: HttpRequest, failed: provider.ProviderFailed) -> HttpResponse:
    logger.warning("sign-in with OpenID Connect failed", extra={"reason": str(failed)})
    messages.error(request, _("The sign-in with your company's account failed. Try again."))
    return redirect("console:login")
