"""How people come in: password, code, invitation, a forgotten password, and the choice of a tenant."""

from typing import Any

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
from collections_app.console.base import Refusing
from collections_app.operations.members import accept_invitation
from tenants import access, authenticators, limits
from tenants.access import Limit
from tenants.errors import InvitationUnusable
from tenants.links import absolute
from tenants.places import place

_FORM = "console/account/of_form.html"
_LETTERS = 20  # an hour, for one place: an office may have one address for many people
_INVITATION = "invitation"  # under which a session keeps the secret of a link that was followed
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Login(Refusing, auth.LoginView):
    """Name and password; too many wrong ones lock the door for a while (django-axes)."""

    template_name = "console/account/login.html"
    redirect_authenticated_user = True


class CodeView(LoginRequiredMixin, View):
    """The authenticator's code, for those who have one; a wrong code makes the next try wait (django-otp)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask."""
        return render(request, "console/account/code.html", {"form": CodeForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check."""
        form = CodeForm(request.POST)
        if form.is_valid():
            device = authenticators.matching(request.user, form.cleaned_data["code"])  # type: ignore[arg-type]  # signed in: the mixin
            if device is not None:
                otp_login(request, device)
                return redirect("console:home")
            form.add_error("code", _("This is not the present code."))
        return render(request, "console/account/code.html", {"form": form}, status=400)


class Forgotten(Refusing, auth.PasswordResetView):
    """Send a link for a new password; the answer is the same whether the address is known or not, and if none is sent.

    Too many are not sent: to one account (ForgottenForm), nor for one place that asks, known addresses or not.
    """

    form_class = ForgottenForm
    template_name = _FORM
    extra_context = {
        "heading": gettext_lazy("Forgotten your password?"),
        "lead": gettext_lazy("We send a link to the address that you signed up with."),
        "button": gettext_lazy("Send a link"),
    }
    email_template_name = "console/account/forgotten_mail.txt"
    subject_template_name = "console/account/forgotten_subject.txt"
    success_url = reverse_lazy("console:forgotten_sent")

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Send it, if it is not one too many."""
        self.extra_email_context = {"base": absolute("/").rstrip("/")}
        asking = Limit(f"letters for {place(self.request.META['REMOTE_ADDR'])}", Limit.HOUR, _LETTERS)
        return super().form_valid(form) if limits.passes(asking) else redirect(self.success_url)


class ForgottenSent(auth.PasswordResetDoneView):
    """Say that it is on its way, if there was anybody to send it to."""

    template_name = "console/account/forgotten_sent.html"


class Password(Refusing, auth.PasswordChangeView):
    """Change one's password."""

    template_name = _FORM
    extra_context = {"heading": gettext_lazy("Change your password"), "button": gettext_lazy("Save")}
    success_url = reverse_lazy("console:account")


class Renew(Refusing, auth.PasswordResetConfirmView):
    """Choose a new password."""

    template_name = _FORM
    extra_context = {"heading": gettext_lazy("Choose a new password"), "button": gettext_lazy("Save")}
    success_url = reverse_lazy("console:login")


class HomeView(LoginRequiredMixin, View):
    """The tenant, or the choice of one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Go to the only tenant; offer several; say so where there is none."""
        memberships = access.memberships(request.user)  # type: ignore[arg-type]  # signed in: the mixin
        if len(memberships) == 1:
            return redirect("console:overview", tenant=memberships[0].tenant.slug)
        return render(request, "console/account/home.html", {"memberships": memberships})


class InvitationLinkView(View):
    """An invitation's link: its secret goes into the sealed session and out of every address, form and log."""

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        """Keep the secret and go where the invitation is shown."""
        try:
            access.invitation_for(secret)
        except InvitationUnusable:
            return render(request, "console/account/invitation_gone.html", status=404)
        request.session[_INVITATION] = secret
        return redirect("console:invitation")


class InvitationView(View):
    """Take a place in a tenant: as who is signed in, or as a new user."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show what is offered."""
        return self._show(request, None)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Take it."""
        if request.user.is_authenticated:
            return self._take(request, request.user)
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
        answer = self._take(request, user)
        login(request, user, backend=_BACKEND)
        return answer

    def _take(self, request: HttpRequest, user: User) -> HttpResponse:
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
        return render(
            request, "console/account/invitation.html", {"invitation": invitation, "form": form}, status=status
        )


def _invitation(request: HttpRequest) -> str:
    """Return the secret of the invitation whose link was followed; empty, which opens nothing, where none was."""
    return str(request.session.get(_INVITATION, ""))
