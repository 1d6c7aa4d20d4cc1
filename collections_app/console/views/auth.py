"""Sign-in: password, code, invitation, forgotten password, and the choice of a tenant."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.contrib.auth.forms import BaseUserCreationForm, PasswordResetForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View
from django_otp import login as otp_login

from collections_app.console.account_forms import CodeForm, ForgottenForm, styled
from collections_app.console.base import RefusingMixin
from collections_app.operations.members import accept_invitation
from tenants import access, authenticators, limits, sign_ins
from tenants.access import Limit
from tenants.errors import InvitationUnusable
from tenants.links import absolute
from tenants.places import place

_FORM = "console/account/of_form.html"
_MAILS = 20  # per address and hour: an office may share one address
_INVITATION = "invitation"  # the session key of an opened invitation's secret
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Login(RefusingMixin, auth.LoginView):
    """Name and password; too many wrong ones block sign-in for a while (django-axes)."""

    template_name = "console/account/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check name and password, where members have any."""
        return super().post(request, *args, **kwargs) if settings.LOCAL_PASSWORDS else redirect("console:login")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Say which ways there are."""
        ways = {"provider": settings.OIDC is not None, "passwords": settings.LOCAL_PASSWORDS}
        return super().get_context_data(**kwargs) | ways

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign in, and put the session on the person's list."""
        answer = super().form_valid(form)
        sign_ins.note_sign_in(self.request, form.get_user())
        return answer


class CodeView(LoginRequiredMixin, View):
    """The authenticator's code; a wrong code delays the next attempt (django-otp)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return render(request, "console/account/code.html", {"form": CodeForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check the code."""
        form = CodeForm(request.POST)
        if form.is_valid():
            user, code = request.user, form.cleaned_data["code"]
            device = authenticators.matching(user, code) or authenticators.recover(user, code)  # type: ignore[arg-type]  # signed in: the mixin
            if device is not None:
                otp_login(request, device)
                return redirect("console:home")
            form.add_error("code", _("This code is wrong or has expired."))
        return render(request, "console/account/code.html", {"form": form}, status=400)


class Forgotten(RefusingMixin, auth.PasswordResetView):
    """Send a link for a new password; the response is the same whether or not a mail is sent.

    The number of mails is limited for each account (ForgottenForm) and for each client address.
    """

    form_class = ForgottenForm
    template_name = _FORM
    extra_context = {
        "heading": gettext_lazy("Forgotten your password?"),
        "lead": gettext_lazy("We will send a link to the address of your account."),
        "button": gettext_lazy("Send a link"),
    }
    email_template_name = "console/account/forgotten_mail.txt"
    subject_template_name = "console/account/forgotten_subject.txt"
    success_url = reverse_lazy("console:forgotten_sent")

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Send the mail unless the client address has reached its limit."""
        self.extra_email_context = {"base": absolute("/").rstrip("/")}
        asking = Limit(f"password mails for {place(self.request.META['REMOTE_ADDR'])}", Limit.HOUR, _MAILS)
        return super().form_valid(form) if limits.passes(asking) else redirect(self.success_url)


class ForgottenSent(auth.PasswordResetDoneView):
    """Say that a mail was sent if the address is known."""

    template_name = "console/account/forgotten_sent.html"


class Password(RefusingMixin, auth.PasswordChangeView):
    """Change the user's password."""

    template_name = _FORM
    extra_context = {"heading": gettext_lazy("Change your password"), "button": gettext_lazy("Save")}
    success_url = reverse_lazy("console:account")

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it; all other sessions end."""
        sign_ins.end_others(self.request, form.user)
        answer = super().form_valid(form)
        sign_ins.note_sign_in(self.request, form.user)
        return answer


class Renew(RefusingMixin, auth.PasswordResetConfirmView):
    """Choose a new password."""

    template_name = _FORM
    extra_context = {"heading": gettext_lazy("Choose a new password"), "button": gettext_lazy("Save")}
    success_url = reverse_lazy("console:login")


class HomeView(LoginRequiredMixin, View):
    """The start page: the user's tenant, or a choice of several."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the only tenant, an operator without one to the installation; else list the tenants."""
        memberships = access.memberships(request.user)  # type: ignore[arg-type]  # signed in: the mixin
        suspended = access.suspended_memberships(request.user)  # type: ignore[arg-type]
        if len(memberships) == 1:
            return redirect("console:overview", tenant=memberships[0].tenant.slug)
        if request.user.is_superuser and not (memberships or suspended):
            return redirect("operator")
        return render(request, "console/account/home.html", {"memberships": memberships, "suspended": suspended})


class InvitationLinkView(View):
    """An invitation's link: moves the secret from the URL to the encrypted session, so that no log holds it."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        """Store the secret and redirect to the invitation."""
        try:
            access.invitation_for(secret)
        except InvitationUnusable:
            return render(request, "console/account/invitation_gone.html", status=404)
        request.session[_INVITATION] = secret
        return redirect("console:invitation")


class InvitationView(View):
    """Accept an invitation, as the signed-in user or as a new one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the invitation."""
        return self._show(request, None)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Accept it."""
        if request.user.is_authenticated:
            return self._accept(request, request.user)
        if not settings.LOCAL_PASSWORDS:
            return self._show(request, None)
        form: BaseUserCreationForm[User] = styled(BaseUserCreationForm(request.POST))
        if not form.is_valid():
            return self._show(request, form, status=400)
        try:
            invitation = access.invitation_for(_invitation(request))
        except InvitationUnusable:
            return self._show(request, None)
        user: User = form.save(commit=False)
        user.email = invitation.email
        user.save()
        answer = self._accept(request, user)
        login(request, user, backend=_BACKEND)
        return answer

    def _accept(self, request: HttpRequest, user: User) -> HttpResponse:
        try:
            member = accept_invitation(_invitation(request), user)
        except InvitationUnusable:
            return self._show(request, None)
        del request.session[_INVITATION]
        messages.success(request, _("Welcome to %(tenant)s.") % {"tenant": member.tenant.name})
        return redirect("console:overview", tenant=member.tenant.slug)

    def _show(self, request: HttpRequest, form: Any, status: int = 200) -> HttpResponse:
        try:
            invitation = access.invitation_for(_invitation(request))
        except InvitationUnusable:
            return render(request, "console/account/invitation_gone.html", status=404)
        form = form or styled(BaseUserCreationForm(initial={"username": invitation.email.split("@")[0]}))
        shown: dict[str, Any] = {"invitation": invitation, "form": form, "passwords": settings.LOCAL_PASSWORDS}
        return render(request, "console/account/invitation.html", shown, status=status)


def _invitation(request: HttpRequest) -> str:
    """Return the secret of the opened invitation; an empty string, which matches none, where there is no such."""
    return str(request.session.get(_INVITATION, ""))
