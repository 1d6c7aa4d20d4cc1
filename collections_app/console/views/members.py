"""Who belongs to the tenant."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView, FormView
from collections_app.console.forms import ROLES, InviteForm, RoleForm
from collections_app.operations import members
from tenants.access import Scope
from tenants.links import absolute


class MembersView(FormView):
    """Members, roles and invitations."""

    needs_to_change = Scope.ADMIN
    template = "console/members.html"
    section = "members"
    form = InviteForm

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show them, and a link that was just made, this once."""
        invited = self.take_once("members")
        return self.page(status, form=form, team=members.team(self.caller), roles=ROLES, invited=invited)

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Invite somebody, and have the link shown this once."""
        secret = members.invite(self.caller, **form.cleaned_data)
        link = absolute(reverse("console:invitation_link", kwargs={"secret": secret}))
        return self.show_once("members", {"link": link, "email": form.cleaned_data["email"]})


class MemberView(ConsoleView):
    """A member's role."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, member: int) -> HttpResponse:
        """Change it."""
        members.change_role(self.caller, member=member, **self.said(RoleForm(request.POST)))
        return self.done(_("The role is changed."), "members")


class RemoveView(ConsoleView):
    """A member's place."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, member: int) -> HttpResponse:
        """Take it away."""
        members.remove_member(self.caller, member=member)
        return self.done(_("The member is removed."), "members")


class WithdrawView(ConsoleView):
    """An invitation."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, invitation: int) -> HttpResponse:
        """Make its link useless."""
        members.withdraw(self.caller, invitation=invitation)
        return self.done(_("The invitation is withdrawn."), "members")
