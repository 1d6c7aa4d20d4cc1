"""Members whom an OpenID Connect provider signs in: its roles are their memberships, all of them.

An account belongs to the provider's subject, never to a mail address or a name, which a provider may give to somebody
else. It is never one that has a password here.
"""

import hashlib
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from tenants import access, audit, rls
from tenants.models import Member, ProvidedAccount, Tenant

_LONGEST = 150  # of a user's name


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider says of a person; `roles` by the tenant's slug. And where and in which request the person is."""

    issuer: str
    subject: str
    name: str
    email: str
    roles: dict[str, str]
    address: str
    request_id: str


@rls.all_tenants()
def admit(identity: Identity) -> User | None:
    """Make or update the person's account and memberships; return the account, or None if it may not sign in.

    The provider's word authorises it, so there is no Caller. Memberships that no role gives end, that of a
    tenant's last owner too.
    """
    found = ProvidedAccount.objects.select_related("user").filter(issuer=identity.issuer, subject=identity.subject)
    account = found.first()
    if account is None and not Tenant.objects.filter(slug__in=identity.roles, state=Tenant.State.ACTIVE).exists():
        return None
    user = account.user if account else _new(identity)
    if user.email != identity.email:
        user.email = identity.email
        user.save(update_fields=["email"])
    former = [member.tenant_id for member in _memberships(user)]
    concerned = Tenant.objects.filter(Q(slug__in=identity.roles) | Q(pk__in=former))
    for tenant in concerned.exclude(state=Tenant.State.ERASED).order_by("pk"):
        _follow(user, tenant, identity)
    return user if user.is_active and _memberships(user) else None


def _memberships(user: User) -> list[Member]:
    return [*access.memberships(user), *access.suspended_memberships(user)]


def _new(identity: Identity) -> User:
    name = identity.name[:_LONGEST]
    if User.objects.filter(username=name).exists():
        digest = hashlib.sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:12]
        name = f"{name[: _LONGEST - 13]}-{digest}"
    with transaction.atomic():
        user = User.objects.create_user(name, identity.email)  # without a usable password
        ProvidedAccount.objects.create(user=user, issuer=identity.issuer, subject=identity.subject)
    return user


def _follow(user: User, tenant: Tenant, identity: Identity) -> None:
    """Give the person their role in the tenant, or none."""
    role, system = identity.roles.get(tenant.slug), access.system(tenant, "OpenID Connect")
    by = replace(system, address=identity.address, request_id=identity.request_id)
    with transaction.atomic():
        tenant.lock()
        member = Member.objects.of(tenant).filter(user=user).first()
        if member is None and role is not None:
            member = Member.unscoped.create(tenant=tenant, user=user, role=role)
            audit.record(by, "member.joined", member, role=role, user=str(user.pk))
        elif member is not None and role is None:
            audit.record(by, "member.removed", member, role=member.role, user=str(user.pk))
            member.delete()
        elif member is not None and member.role != role:
            before, member.role = member.role, str(role)
            member.save(update_fields=["role"])
            audit.record(by, "member.role_changed", member, before=before, after=role)
