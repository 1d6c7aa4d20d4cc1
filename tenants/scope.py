"""Tenant scoping by construction: the one module that owns it.

Every row of a tenant names its tenant. `Model.objects` refuses to build a query until the tenant is said: a forgotten
filter is an error on the first run and never an answer with somebody else's rows in it. `Model.unscoped` is plain; it
serves Django's own machinery, the operator's admin, tasks, commands and migrations (a test holds the list).
"""

import secrets
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from tenants.models import Tenant

M = TypeVar("M", bound=models.Model)
_LARGEST_ID = 2**63 - 1


class UnscopedQuery(Exception):
    """A query on tenant-owned rows that does not say whose rows."""


def random_id() -> int:
    """Return a random id of 63 bits: unguessable, safe as an index key (< 2**63) and as a signed database integer."""
    return secrets.randbits(63) or 1


def as_id(text: str) -> int | None:
    """Return the id that a caller's text may be; None: it is no number, or larger than any that a database holds."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_ID))):
        return None
    return int(text) if int(text) <= _LARGEST_ID else None


class TenantManager(models.Manager[M], Generic[M]):
    """Answers only to `of(tenant)`."""

    def of(self, tenant: "Tenant") -> models.QuerySet[M]:
        """Return the tenant's rows.

        Raises:
            UnscopedQuery: the tenant is None or was never saved.
        """
        if tenant is None or tenant.pk is None:
            message = f"{self.model.__name__}.objects.of() needs a saved tenant, not {tenant!r}."
            raise UnscopedQuery(message)
        return super().get_queryset().filter(tenant_id=tenant.pk)

    def get_queryset(self) -> NoReturn:
        """Refuse: whose rows?"""
        name = self.model.__name__
        message = f"Say whose rows: {name}.objects.of(tenant), or a relation that starts at a row of the tenant's."
        raise UnscopedQuery(message)


class TenantOwned(models.Model):
    """A row that belongs to one tenant.

    `unscoped` stands first, so that Django takes it for relations, cascades and the admin.
    """

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+", db_index=False)

    unscoped: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[TenantManager[Any]] = TenantManager()

    class Meta:
        """No table of its own."""

        abstract = True
