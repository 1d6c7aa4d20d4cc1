"""A tenant's people: who belongs to it, in which role, and who is invited.

Owners and administrators may do the same, but for one thing: only an owner appoints or removes owners.
"""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction

from tenants import access, audit, invitations, rls
from tenants.access import Caller, Scope
from tenants.errors import InvitationUnusable, MemberNotFound, OwnerNeeded
from tenants.models import Invitation, Member
from tenants.scope import as_id


@dataclass(frozen=True, slots=True)
class Team:
    """A tenant's members by name, and the invitations that wait."""

    members: tuple[Member, ...]
    invitations: tuple[Invitation, ...]


def team(caller: Caller) -> Team:
    """Return who belongs to the tenant and who is invited."""
    caller.require(Scope.READ)
    members = Member.objects.of(caller.tenant).select_related("user").order_by("user__username")
    waiting = Invitation.objects.of(caller.tenant).filter(access.waiting())
    return Team(tuple(members), tuple(waiting.order_by("-created_at")))


def invite(caller: Caller, *, email: str, role: str) -> str:
    """Invite somebody; return the secret of their link, which is shown this once and good while the caller may give it.

    Raises:
        OwnerNeeded: somebody else than an owner invites an owner.
        MemberNotFound: the caller has just been removed.
    """
    caller.require(Scope.ADMIN)
    _check_rank(caller, role)
    with transaction.atomic():
        caller.tenant.lock()  # whoever is removed takes their invitations along
        inviter = None if caller.kind == "system" else _place(caller)
        given = {"email": email, "role": role, "invited_by": caller.name}
        invitation, secret = invitations.issue(caller.tenant, inviter=inviter, **given)
        audit.record(caller, "member.invited", invitation, role=role)
    return secret


def withdraw(caller: Caller, *, invitation: int) -> None:
    """Make an invitation's link useless.

    Raises:
        InvitationUnusable: there is no such invitation that still waits.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()  # nobody takes it meanwhile
        found = Invitation.objects.of(caller.tenant).filter(pk=invitation, accepted_at=None).first()
        if found is None:
            raise InvitationUnusable
        audit.record(caller, "member.invitation_withdrawn", found, role=found.role)
        found.delete()


def change_role(caller: Caller, *, member: int, role: str) -> Member:
    """Give a member another role.

    Raises:
        MemberNotFound: the tenant has no such member.
        OwnerNeeded: an owner is concerned and the caller is none, or the last owner would go.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()  # two owners may not remove each other at once
        found = _member(caller, member)
        before = found.role
        _check_rank(caller, before, role)
        found.role = role
        found.save(update_fields=["role"])
        _check_an_owner_stays(caller)
        audit.record(caller, "member.role_changed", found, before=before, after=role)
    return found


def remove_member(caller: Caller, *, member: int) -> None:
    """Take a member's place away; their account stays.

    Raises:
        MemberNotFound: the tenant has no such member.
        OwnerNeeded: an owner is concerned and the caller is none, or the last owner would go.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()
        found = _member(caller, member)
        _check_rank(caller, found.role)
        audit.record(caller, "member.removed", found, role=found.role, user=str(found.user_id))
        found.delete()
        _check_an_owner_stays(caller)


def accept_invitation(secret: str, user: User) -> Member:
    """Take the place that a link offers; the link is the authority, so there is no Caller yet.

    Raises:
        InvitationUnusable: there is no such invitation that still waits.
    """
    invitation = access.invitation_for(secret)
    with rls.one_tenant(invitation.tenant), transaction.atomic():
        member = invitations.accept(invitation, user)
        joined = access.caller_for_member(user, invitation.tenant.slug)
        if joined is None:
            raise InvitationUnusable
        audit.record(joined, "member.joined", member, role=member.role)
    return member


def _member(caller: Caller, member: int) -> Member:
    found: Member | None = Member.objects.of(caller.tenant).select_related("user").filter(pk=member).first()
    if found is None:
        raise MemberNotFound
    return found


def _place(caller: Caller) -> Member:
    found: Member | None = Member.objects.of(caller.tenant).filter(user_id=as_id(caller.id) or 0).first()
    if found is None:
        raise MemberNotFound
    return found


def _check_rank(caller: Caller, *roles: str) -> None:
    """Let only owners, and the platform itself, deal with owners."""
    if Member.Role.OWNER not in roles or caller.kind == "system":
        return
    owners = Member.objects.of(caller.tenant).filter(role=Member.Role.OWNER)
    if caller.kind != "user" or not owners.filter(user_id=int(caller.id)).exists():
        raise OwnerNeeded


def _check_an_owner_stays(caller: Caller) -> None:
    if not Member.objects.of(caller.tenant).filter(role=Member.Role.OWNER).exists():
        raise OwnerNeeded
