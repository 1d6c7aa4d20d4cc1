"""The account pages: password and authenticator."""

from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View
from django.views.generic import FormView
from django_otp import login as otp_login

from collections_app.console.account_forms import AddressForm, CodeForm, PasswordForm
from collections_app.console.base import RefusingMixin
from tenants import access, authenticators, sign_ins


class AccountView(LoginRequiredMixin, View):
    """The signed-in user's account."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        shown = {
            "authenticator": authenticators.confirmed(request.user),  # type: ignore[arg-type]  # signed in: the mixin
            "memberships": access.memberships(request.user),  # type: ignore[arg-type]
            "codes_left": authenticators.recovery_codes_left(request.user),  # type: ignore[arg-type]
            "sessions": sign_ins.sign_ins(request, request.user),  # type: ignore[arg-type]
        }
        return render(request, "console/account/account.html", shown)


class AuthenticatorView(LoginRequiredMixin, View):
    """Add an authenticator app; it is active once its first code has been entered."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the QR code."""
        return self._show(request, CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check the first code."""
        form = CodeForm(request.POST)
        if form.is_valid():
            device = authenticators.confirm(request.user, form.cleaned_data["code"])  # type: ignore[arg-type]
            if device is not None:
                otp_login(request, device)
                messages.success(
                    request, _("The authenticator is added. You will be asked for its code at your next sign-in.")
                )
                return redirect("console:account")
            form.add_error("code", _("This code is wrong or has expired."))
        return self._show(request, form, 400)

    def _show(self, request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
        secret, url = authenticators.shown(authenticators.offered(request.user))  # type: ignore[arg-type]
        picture = segno.make(url, error="m").svg_inline(scale=5, border=2, svgclass="fp-qr", lineclass=None)
        context = {
            "form": form,
            "picture": mark_safe(picture),  # noqa: S308 -- segno's own SVG of a URL that we made
            "secret": secret,
        }
        return render(request, "console/account/authenticator.html", context, status=status)


class RecoveryView(LoginRequiredMixin, RefusingMixin, FormView):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Make new recovery codes, which are shown once; requires the password."""

    template_name = "console/account/of_form.html"
    form_class = PasswordForm
    extra_context = {
        "heading": gettext_lazy("Recovery codes"),
        "lead": gettext_lazy(
            "Each replaces a code of your authenticator once, if you lose the device. Former codes stop working."
        ),
        "button": gettext_lazy("Show new codes"),
    }

    def get_form_kwargs(self) -> dict[str, Any]:
        """Pass the request to the form."""
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        """Show them, in this answer alone."""
        if not authenticators.confirmed(self.request.user):  # type: ignore[arg-type]
            return redirect("console:account")
        codes = authenticators.issue_recovery_codes(self.request.user)  # type: ignore[arg-type]
        answer = render(self.request, "console/account/recovery.html", {"codes": codes})
        answer["Cache-Control"] = "private, no-store"
        return answer


class SessionsView(LoginRequiredMixin, View):
    """End one of the user's other sessions, or all of them."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """End them."""
        sign_ins.end_others(request, request.user, request.POST.get("session", ""))  # type: ignore[arg-type]
        messages.success(request, _("Signed out there."))
        return redirect("console:account")


class AddressView(LoginRequiredMixin, RefusingMixin, FormView):  # type: ignore[type-arg]
    """Change the account's mail address; requires the password, and the old address is told."""

    template_name = "console/account/of_form.html"
    form_class = AddressForm
    success_url = reverse_lazy("console:account")
    extra_context = {"heading": gettext_lazy("Change your email"), "button": gettext_lazy("Save")}

    def get_form_kwargs(self) -> dict[str, Any]:
        """Pass the request to the form."""
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: AddressForm) -> HttpResponse:
        """Change it."""
        form.tell()
        user: Any = self.request.user
        user.email = form.cleaned_data["email"]
        user.save(update_fields=["email"])
        messages.success(self.request, _("Saved."))
        return super().form_valid(form)


class RemoveAuthenticatorView(LoginRequiredMixin, RefusingMixin, FormView):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Remove the authenticator; requires the password, so that an open session alone is not enough."""

    template_name = "console/account/of_form.html"
    form_class = PasswordForm
    success_url = reverse_lazy("console:account")
    extra_context = {
        "heading": gettext_lazy("Remove the authenticator"),
        "lead": gettext_lazy("After that, your password alone is enough to sign in."),
        "button": gettext_lazy("Remove it"),
    }

    def get_form_kwargs(self) -> dict[str, Any]:
        """Pass the request to the form."""
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: PasswordForm) -> HttpResponse:
        """Remove it; the code was already checked at sign-in."""
        authenticators.remove(self.request.user)  # type: ignore[arg-type]
        messages.success(self.request, _("The authenticator is removed."))
        return super().form_valid(form)
