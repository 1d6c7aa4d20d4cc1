"""Operators: a program with an operator's key, through the native API, or a superuser, in the console, manages tenants.

Neither reaches anybody's people or faces.

An operator's key is not a tenant's: neither is accepted in the other's place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from tenants import keys
from tenants.access import ALL_SCOPES, Caller, Scope
from tenants.errors import AddressRefused, ScopeMissing, UnknownKey
from tenants.models import OperatorKey, Tenant

PREFIX = "op_"
SCOPES = frozenset({Scope.READ, Scope.ADMIN})  # to see tenants and their usage; to change them
_LONGEST_NAME = 64  # of the name in the audit log


@dataclass(frozen=True, slots=True)
class Operator:
    """Whose key it is that manages tenants."""

    id: str
    name: str
    scopes: frozenset[Scope]
    address: str = ""
    via: str = ""
    request_id: str = ""

    def require(self, scope: Scope) -> None:
        """Require a scope.

        Raises:
            ScopeMissing: the operator does not hold it.
        """
        if scope not in self.scopes:
            raise ScopeMissing(scope)

    def within(self, tenant: Tenant) -> Caller:
        """Return the caller for the operator's work on one tenant: the platform, by the operator's name in its log."""
        return Caller(
            tenant=tenant,
            kind="system",
            id=self.id,
            name=f"operator {self.name}",
            scopes=ALL_SCOPES if Scope.ADMIN in self.scopes else frozenset({Scope.READ}),
            address=self.address,
            via=self.via,
            request_id=self.request_id,
        )


def operator_for_user(user: User | AnonymousUser, *, address: str = "", request_id: str = "") -> Operator | None:
    """Return a signed-in superuser as the operator who manages tenants in the console; None for everybody else."""
    if not (user.is_active and user.is_superuser):
        return None
    name = user.get_username()[:_LONGEST_NAME]
    return Operator(str(user.pk), name, SCOPES, address=address, via="console", request_id=request_id)


def issue(
    name: str,
    *,
    scopes: Iterable[Scope] = SCOPES,
    networks: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> tuple[OperatorKey, str]:
    """Create a key; return it with the whole key as text, which is stored nowhere.

    Raises:
        ValueError: a network is malformed.
    """
    secret = keys.new_secret()
    key = OperatorKey.objects.create(
        id=keys.new_id(PREFIX),
        name=name,
        secret_hash=keys.secret_hash(secret),
        scopes=sorted(scopes),
        networks=sorted(str(ip_network(network)) for network in networks),
        expires_at=expires_at,
    )
    return key, f"{key.pk}.{secret}"


def operator_for_key(key_id: str, secret: str, *, via: str, address: str = "", request_id: str = "") -> Operator:
    """Find the key and check its secret; an unknown id and a wrong secret are indistinguishable, also by timing.

    Raises:
        UnknownKey, RevokedKey, ExpiredKey, AddressRefused: the key is not accepted.
    """
    key = None if "\0" in key_id else OperatorKey.objects.filter(pk=key_id).first()
    if not keys.matches(secret, [bytes(key.secret_hash)] if key else []) or key is None:
        raise UnknownKey
    keys.require_valid(key, timezone.now())
    if not keys.admits(key, address):
        raise AddressRefused(address)
    scopes = frozenset(map(Scope, key.scopes))
    return Operator(key.pk, key.name, scopes, address=address, via=via, request_id=request_id)
