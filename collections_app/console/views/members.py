"""The tenant's members and invitations."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from collections_app.console.base import ConsoleView, FormView
from collections_app.console.forms import InviteForm, RoleForm
from collections_app.console.labels import ROLES
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
        """Show them, and once the link of a new invitation."""
        invited = self.take_once("members")
        return self.page(status, form=form, team=members.team(self.caller), roles=ROLES.items(), invited=invited)

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Create an invitation and show its link once."""
        secret = members.invite(self.caller, **form.cleaned_data)
        link = absolute(reverse("console:invitation_link", kwargs={"secret": secret}))
        return self.show_once("members", {"link": link, "email": form.cleaned_data["email"]})


class MemberView(ConsoleView):
    """A member's role."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, member: int) -> HttpResponse:
        """Change it."""
        changed = members.change_role(self.caller, member=member, **self.values(RoleForm(request.POST)))
        before, after = changed.before, changed.member.role
        if not members.lets_in(before, after) and before != after:
            values = {"member": member, "before": before, "after": after, "at": timezone.now().isoformat()}
            self.offer_undo("role", values)
        return self.done(_("The role is changed."), "members")


class RemoveView(ConsoleView):
    """Remove a member."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, member: int) -> HttpResponse:
        """Remove them."""
        members.remove_member(self.caller, member=member)
        return self.done(_("The member is removed."), "members")


class WithdrawView(ConsoleView):
    """Withdraw an invitation."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, invitation: int) -> HttpResponse:
        """Invalidate its link."""
        members.withdraw(self.caller, invitation=invitation)
        return self.done(_("The invitation is withdrawn."), "members")
