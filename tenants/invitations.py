"""Invitations to become a member, accepted by a link. The only code that sees a link's secret in plain text."""

import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from tenants.access import open_invitations
from tenants.errors import InvitationUnusable
from tenants.keys import secret_hash
from tenants.models import Invitation, Member, Tenant

LASTS = timedelta(days=7)


def issue(
    tenant: Tenant, *, email: str, role: str, invited_by: str, inviter: Member | None = None
) -> tuple[Invitation, str]:
    """Create an invitation by a member or by the platform; its secret is returned and stored nowhere."""
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.unscoped.create(
        tenant=tenant,
        inviter=inviter,
        email=email,
        role=role,
        secret_hash=secret_hash(secret),
        invited_by=invited_by,
        expires_at=timezone.now() + LASTS,
    )
    return invitation, secret


def accept(invitation: Invitation, user: User) -> Member:
    """Make the person a member; one who already is keeps their role.

    Raises:
        InvitationUnusable: it was accepted, withdrawn or expired meanwhile.
    """
    with transaction.atomic():
        invitation.tenant.lock()  # no role changes meanwhile
        offered = Invitation.objects.of(invitation.tenant).filter(open_invitations(), pk=invitation.pk)
        if not offered.update(accepted_at=timezone.now()):
            raise InvitationUnusable
        member = Member.objects.of(invitation.tenant).filter(user=user).first()
        return member or Member.unscoped.create(tenant=invitation.tenant, user=user, role=invitation.role)
