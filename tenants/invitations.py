"""Invitations: a place in a tenant for whoever holds a link. The only code that sees a link's secret in plain text."""

import secrets
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from tenants.access import waiting
from tenants.errors import InvitationUnusable
from tenants.keys import secret_hash
from tenants.models import Invitation, Member, Tenant

LASTS = timedelta(days=7)


def issue(
    tenant: Tenant, *, email: str, role: str, invited_by: str, inviter: Member | None = None
) -> tuple[Invitation, str]:
    """Make an invitation, from a member or from the platform; its secret is in the answer and nowhere else."""
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
    """Take the place; whoever is a member already stays what they are.

    Raises:
        InvitationUnusable: somebody else was faster.
    """
    with transaction.atomic():
        invitation.tenant.lock()  # nobody's role changes meanwhile
        offered = Invitation.objects.of(invitation.tenant).filter(waiting(), pk=invitation.pk)
        if not offered.update(accepted_at=timezone.now()):
            raise InvitationUnusable
        member = Member.objects.of(invitation.tenant).filter(user=user).first()
        return member or Member.unscoped.create(tenant=invitation.tenant, user=user, role=invitation.role)
