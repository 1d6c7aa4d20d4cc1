"""What can be wrong with who is asking. Facts only: statuses and wording belong to the dialects."""


class TenantsError(Exception):
    """Root of this app's errors."""


class MissingKey(TenantsError):
    """The request carries no credential."""


class UnknownKey(TenantsError):
    """No such key, or the wrong secret: the two look alike."""


class RevokedKey(TenantsError):
    """The key was revoked."""


class ExpiredKey(TenantsError):
    """The key's time is over."""


class AddressRefused(TenantsError):
    """The key may not be used from this address."""

    def __init__(self, address: str) -> None:
        """Keep the address."""
        super().__init__(address)
        self.address = address


class KeyNotFound(TenantsError):
    """The caller has no such key within reach."""

    def __init__(self, key: str) -> None:
        """Keep the id that was asked for."""
        super().__init__(key)
        self.key = key


class TenantSuspended(TenantsError):
    """The operator suspended the tenant."""


class ScopeMissing(TenantsError):
    """The caller may not do this."""

    def __init__(self, scope: str) -> None:
        """Keep the scope that was needed."""
        super().__init__(scope)
        self.scope = scope


class ReachTooNarrow(TenantsError):
    """What is asked for concerns the whole tenant, and the caller reaches some of its collections only."""


class QuotaExceeded(TenantsError):
    """A quota of the tenant is used up."""

    def __init__(self, quota: str, limit: int, retry_after: float | None = None) -> None:
        """Keep which quota, how much it allows, and in how many seconds it begins anew, if it does."""
        super().__init__(quota, limit)
        self.quota = quota
        self.limit = limit
        self.retry_after = retry_after


class TooManyRequests(TenantsError):
    """The caller is faster than its limit."""

    def __init__(self, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after


class SealBroken(TenantsError):
    """Sealed bytes do not open: wrong key, wrong place or changed bytes."""


class MasterKeyUnusable(TenantsError):
    """No master key at hand opens the tenant's data key."""


class InvitationUnusable(TenantsError):
    """The invitation is unknown, taken, withdrawn or too old: these look alike."""


class MemberNotFound(TenantsError):
    """The tenant has no such member."""


class OwnerNeeded(TenantsError):
    """Only an owner appoints or removes owners, and a tenant keeps at least one."""


class SignatureBroken(TenantsError):
    """A signed document was changed, or this installation did not sign it."""
