"""Errors about callers, tenants and keys. They carry facts only; the dialects choose status and wording."""

from datetime import datetime, timedelta


class TenantsError(Exception):
    """Base class of this app's errors."""


class MissingKey(TenantsError):
    """The request carries no credential."""


class UnknownKey(TenantsError):
    """No such key, or a wrong secret: indistinguishable."""


class RevokedKey(TenantsError):
    """The key was revoked."""


class ExpiredKey(TenantsError):
    """The key has expired."""


class AddressRefused(TenantsError):
    """The key may not be used from this address."""

    def __init__(self, address: str) -> None:
        """Keep the address."""
        super().__init__(address)
        self.address = address


class StaleSignature(TenantsError):
    """The request was signed too long ago, or its client's clock is wrong."""

    def __init__(self, at: datetime, window: timedelta) -> None:
        """Keep when it was signed, and how far from now that may be."""
        super().__init__(at, window)
        self.at = at
        self.window = window


class CaptureNotFound(TenantsError):
    """The caller's reach contains no such capture token."""


class CaptureUnusable(TenantsError):
    """The capture token does not allow this."""

    def __init__(self, reason: str) -> None:
        """Keep the reason as an English clause, such as "it has expired"."""
        super().__init__(reason)
        self.reason = reason


class KeyNotFound(TenantsError):
    """The caller's reach contains no such key."""

    def __init__(self, key: str) -> None:
        """Keep the requested id."""
        super().__init__(key)
        self.key = key


class TenantNotFound(TenantsError):
    """No tenant has this slug."""

    def __init__(self, slug: str) -> None:
        """Keep the slug."""
        super().__init__(slug)
        self.slug = slug


class TenantSuspended(TenantsError):
    """The operator suspended the tenant."""


class ScopeMissing(TenantsError):
    """The caller lacks a scope."""

    def __init__(self, scope: str) -> None:
        """Keep the required scope."""
        super().__init__(scope)
        self.scope = scope


class ReachTooNarrow(TenantsError):
    """The request concerns the whole tenant, and the caller reaches only some of its collections."""


class QuotaExceeded(TenantsError):
    """A quota of the tenant is used up."""

    def __init__(self, quota: str, limit: int, retry_after: float | None = None) -> None:
        """Keep the quota's name, its limit, and the seconds until it resets, if it does."""
        super().__init__(quota, limit)
        self.quota = quota
        self.limit = limit
        self.retry_after = retry_after


class TooManyRequests(TenantsError):
    """The caller exceeds a rate limit."""

    def __init__(self, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after


class SealBroken(TenantsError):
    """Sealed bytes cannot be decrypted: wrong key, wrong context or changed bytes."""


class MasterKeyUnusable(TenantsError):
    """No configured master key unwraps the key."""


class InvitationUnusable(TenantsError):
    """The invitation is unknown, accepted, withdrawn or expired: indistinguishable."""


class MemberNotFound(TenantsError):
    """The tenant has no such member."""


class OwnerNeeded(TenantsError):
    """Only an owner appoints or removes owners, and a tenant keeps at least one."""


class SignatureBroken(TenantsError):
    """A signed document was changed, or this installation did not sign it."""
