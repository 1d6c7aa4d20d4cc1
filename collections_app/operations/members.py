"""A tenant's members and invitations.

Owners and administrators have the same rights, except that only owners appoint and remove owners.
"""

from dataclasses import dataclass
from zoneinfo import available_timezones

from django.contrib.auth.models import User
from django.db import transaction

from collections_app.errors import InvalidRequest
from collections_app.operations.undo import too_late
from tenants import access, audit, invitations, rls
from tenants.access import Caller, Scope
from tenants.errors import InvitationUnusable, MemberNotFound, OwnerNeeded
from tenants.models import Invitation, Member
from tenants.scope import as_id

TIME_ZONES = tuple(sorted(name for name in available_timezones() if name == "UTC" or "/" in name))


@dataclass(frozen=True, slots=True)
class Team:
    """A tenant's members by name, and its open invitations."""

    members: tuple[Member, ...]
    invitations: tuple[Invitation, ...]


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A member with the new role, and the role before."""

    member: Member
    before: str


def team(caller: Caller) -> Team:
    """Return the members and the open invitations."""
    caller.require(Scope.READ)
    members = Member.objects.of(caller.tenant).select_related("user").order_by("user__username")
    waiting = Invitation.objects.of(caller.tenant).filter(access.open_invitations())
    return Team(tuple(members), tuple(waiting.order_by("-created_at")))


def invite(caller: Caller, *, email: str, role: str) -> str:
    """Invite a person; return the secret of the link: shown only now, valid while the inviter may give the role.

    Raises:
        OwnerNeeded: the role is owner and the caller is none.
        MemberNotFound: the caller has just been removed.
    """
    caller.require(Scope.ADMIN)
    _check_rank(caller, role)
    with transaction.atomic():
        caller.tenant.lock()  # with a member, the invitations from them are deleted
        inviter = None if caller.kind == "system" else _own(caller)
        values = {"email": email, "role": role, "invited_by": caller.name}
        invitation, secret = invitations.issue(caller.tenant, inviter=inviter, **values)
        audit.record(caller, "member.invited", invitation, role=role)
    return secret


def withdraw(caller: Caller, *, invitation: int) -> None:
    """Withdraw an invitation.

    Raises:
        InvitationUnusable: there is no such open invitation.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()  # so that it is not accepted in the meantime
        found = Invitation.objects.of(caller.tenant).filter(pk=invitation, accepted_at=None).first()
        if found is None:
            raise InvitationUnusable
        audit.record(caller, "member.invitation_withdrawn", found, role=found.role)
        found.delete()


def change_role(caller: Caller, *, member: int, role: str) -> RoleChange:
    """Give a member another role.

    Raises:
        MemberNotFound: the tenant has no such member.
        OwnerNeeded: only an owner may change this, or no owner would be left.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()  # so that two owners cannot remove each other at the same time
        found = _member(caller, member)
        before = found.role
        _check_rank(caller, before, role)
        found.role = role
        found.save(update_fields=["role"])
        _check_owner_left(caller)
        audit.record(caller, "member.role_changed", found, before=before, after=role)
    return RoleChange(found, before)


def undo_role(caller: Caller, *, member: int, before: str, after: str, at: str) -> Member | None:
    """Give a member back the role from before a change that let nobody in, within UNDO_SECONDS.

    Returns None if it is too late, or the role was changed since.

    Raises:
        MemberNotFound, OwnerNeeded: see change_role.
    """
    caller.require(Scope.ADMIN)
    if too_late(at) or lets_in(before, after) or _member(caller, member).role != after:
        return None
    return change_role(caller, member=member, role=before).member


def lets_in(before: str, after: str) -> bool:
    """Return whether a role may do something that another may not: see or change more, or appoint owners."""
    return after == Member.Role.OWNER or not access.ROLE_SCOPES[after] <= access.ROLE_SCOPES[before]


def set_time_zone(caller: Caller, *, name: str) -> None:
    """Show this member times in this zone, such as Asia/Seoul.

    Raises:
        InvalidRequest: there is no such zone.
        MemberNotFound: the caller is no member.
    """
    caller.require(Scope.READ)
    if name not in TIME_ZONES:
        raise InvalidRequest("time_zone", "is not a time zone")
    member = _own(caller)
    member.time_zone = name
    member.save(update_fields=["time_zone"])


def remove_member(caller: Caller, *, member: int) -> None:
    """Remove a member; the user's account stays.

    Raises:
        MemberNotFound: the tenant has no such member.
        OwnerNeeded: only an owner may change this, or no owner would be left.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        caller.tenant.lock()
        found = _member(caller, member)
        _check_rank(caller, found.role)
        audit.record(caller, "member.removed", found, role=found.role, user=str(found.user_id))
        found.delete()
        _check_owner_left(caller)


def accept_invitation(secret: str, user: User) -> Member:
    """Accept an invitation; the link's secret authorises it, so there is no Caller.

    Raises:
        InvitationUnusable: there is no such open invitation.
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


def _own(caller: Caller) -> Member:
    found: Member | None = Member.objects.of(caller.tenant).filter(user_id=as_id(caller.id) or 0).first()
    if found is None:
        raise MemberNotFound
    return found


def is_owner(caller: Caller) -> bool:
    """Return whether a member is an owner; keys and the platform have scopes instead. Not an operation."""
    owners = Member.objects.of(caller.tenant).filter(role=Member.Role.OWNER)
    return caller.kind != "user" or owners.filter(user_id=int(caller.id)).exists()


def require_owner(caller: Caller) -> None:
    """Require that a member is an owner. Not an operation.

    Raises:
        OwnerNeeded: the member is none.
    """
    if not is_owner(caller):
        raise OwnerNeeded


def _check_rank(caller: Caller, *roles: str) -> None:
    """Allow only owners and the platform to give or remove the role of an owner."""
    if Member.Role.OWNER not in roles or caller.kind == "system":
        return
    owners = Member.objects.of(caller.tenant).filter(role=Member.Role.OWNER)
    if caller.kind != "user" or not owners.filter(user_id=int(caller.id)).exists():
        raise OwnerNeeded


def _check_owner_left(caller: Caller) -> None:
    if not Member.objects.of(caller.tenant).filter(role=Member.Role.OWNER).exists():
        raise OwnerNeeded
