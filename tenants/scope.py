"""Tenant scoping: every query on tenant-owned rows names its tenant.

`Model.objects` builds no query before `of(tenant)` is called, so a forgotten filter raises on its first run instead of
returning another tenant's rows. `Model.unscoped` is a plain manager for Django itself, the operator's admin, tasks,
commands, checks and migrations (a test lists the files that may use it).
"""

import secrets
import time
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from tenants.models import Tenant

M = TypeVar("M", bound=models.Model)
_LARGEST_ID = 2**63 - 1


class UnscopedQuery(Exception):
    """A query on tenant-owned rows that names no tenant."""


def random_id() -> int:
    """Return an unguessable random id of 63 bits, which fits the index's keys and a signed database integer."""
    return secrets.randbits(63) or 1


def ordered_id(at: datetime | None = None) -> int:
    """Return an id of 63 bits that is larger than those of earlier times (now): its last 11 bits are random."""
    return int(at.timestamp() * 1e6 if at else time.time_ns() // 1000) << 11 | secrets.randbits(11)


def as_id(text: str) -> int | None:
    """Parse an id; None if the text is not a decimal number, or is larger than the database can hold."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_ID))):
        return None
    return int(text) if int(text) <= _LARGEST_ID else None


class TenantManager(models.Manager[M], Generic[M]):
    """A manager whose only query is `of(tenant)`."""

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
        """Refuse: no tenant is named."""
        name = self.model.__name__
        message = f"Name the tenant: {name}.objects.of(tenant), or a relation that starts at one of the tenant's rows."
        raise UnscopedQuery(message)


class TenantOwned(models.Model):
    """A row that belongs to one tenant.

    `unscoped` comes first, so that Django uses it for relations, cascades and the admin.
    """

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+", db_index=False)

    unscoped: ClassVar[models.Manager[Self]] = models.Manager()
    objects: ClassVar[TenantManager[Any]] = TenantManager()

    class Meta:
        """No table of its own."""

        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:  # type: ignore[override]  # the stubs are ahead
        """Return the instance of a row, as Django does, in a third of its time: nothing here listens to its signals."""
        names = _names(cls)
        if len(values) != len(names):  # some are deferred
            return super().from_db(db, field_names, values)
        one = cls.__new__(cls)
        one.__dict__.update(zip(names, values, strict=True))
        one._state = models.base.ModelState()  # noqa: SLF001 -- a part of Django's documented interface
        one._state.adding, one._state.db = False, db  # noqa: SLF001
        return one


@cache
def _names(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)
