"""A person's own page: password and authenticator."""

from base64 import b32encode

import segno
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views import View
from django_otp import login as otp_login
from django_otp.plugins.otp_totp.models import TOTPDevice

from collections_app.console.account_forms import CodeForm
from tenants import access


class AccountView(LoginRequiredMixin, View):
    """Who one is here."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        confirmed = TOTPDevice.objects.filter(user=request.user, confirmed=True).exists()
        memberships = access.memberships(request.user)  # type: ignore[arg-type]  # signed in: the mixin
        return render(request, "console/account/account.html", {"authenticator": confirmed, "memberships": memberships})


class AuthenticatorView(LoginRequiredMixin, View):
    """Add an authenticator app: it counts once it has shown its first code."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the picture to scan."""
        return self._show(request, CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check the first code."""
        form, device = CodeForm(request.POST), self._device(request)
        if form.is_valid():
            if device.verify_token(form.cleaned_data["code"]):
                device.confirmed = True
                device.save(update_fields=["confirmed"])
                otp_login(request, device)
                messages.success(
                    request, _("The authenticator is added; its code is asked for from the next sign-in on.")
                )
                return redirect("console:account")
            form.add_error("code", _("This is not the present code."))
        return self._show(request, form, 400)

    def _show(self, request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
        device = self._device(request)
        picture = segno.make(device.config_url, error="m").svg_inline(
            scale=5, border=2, svgclass="fp-qr", lineclass=None
        )
        context = {
            "form": form,
            "picture": mark_safe(picture),  # noqa: S308 -- segno's own SVG of a URL that we made
            "secret": b32encode(device.bin_key).decode().rstrip("="),
        }
        return render(request, "console/account/authenticator.html", context, status=status)

    def _device(self, request: HttpRequest) -> TOTPDevice:
        device, _made = TOTPDevice.objects.get_or_create(
            user=request.user,
            confirmed=False,
            defaults={"name": "authenticator"},
        )
        return device


class RemoveAuthenticatorView(LoginRequiredMixin, View):
    """Do without an authenticator again."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Remove it; who got here has shown its code."""
        TOTPDevice.objects.filter(user=request.user).delete()
        messages.success(request, _("The authenticator is removed."))
        return redirect("console:account")
