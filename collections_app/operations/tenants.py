"""What an operator's key may do with tenants. Inside one, it calls the tenant's own operations (Operator.within)."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from collections_app.errors import InvalidRequest
from tenants import lifecycle
from tenants.access import Scope
from tenants.errors import TenantNotFound
from tenants.models import Tenant
from tenants.operators import Operator


def list_tenants(caller: Operator, *, limit: int, after: str = "") -> list[Tenant]:
    """List up to `limit` tenants by slug, beginning after one; erased ones are not listed."""
    caller.require(Scope.READ)
    return list(_present().filter(slug__gt=after).order_by("slug")[:limit])


def get_tenant(caller: Operator, *, tenant: str) -> Tenant:
    """Return a tenant by its slug.

    Raises:
        TenantNotFound: none has it, or it was erased.
    """
    caller.require(Scope.READ)
    found = None if "\0" in tenant else _present().filter(slug=tenant).first()
    if found is None:
        raise TenantNotFound(tenant)
    return found


def put_tenant(caller: Operator, *, tenant: str, values: Mapping[str, Any]) -> Tenant:
    """Create a tenant of this slug unless there is one, and set these values; repeating it changes nothing.

    `values` are the model's own: name, state, profiles, quotas and limits.

    Raises:
        InvalidRequest: the slug or a value cannot be used.
    """
    caller.require(Scope.ADMIN)
    try:
        return _put(caller, tenant, values)
    except IntegrityError:  # another request has just created it
        return _put(caller, tenant, values)


@transaction.atomic
def _put(caller: Operator, slug: str, values: Mapping[str, Any]) -> Tenant:
    found = Tenant.objects.select_for_update(no_key=True).filter(slug=slug).first()
    if found is None:
        name = values.get("name", slug)
        try:
            Tenant(slug=slug, name=name).full_clean(validate_unique=False)
        except ValidationError as error:
            field, problems = next(iter(error.message_dict.items()))
            raise InvalidRequest("tenant" if field == "slug" else field, " ".join(problems)) from None
        found = lifecycle.create_tenant(slug, name)
    elif found.state == Tenant.State.ERASED:
        raise InvalidRequest("tenant", "was erased: choose another slug")
    lifecycle.change_tenant(caller.within(found), **values)
    return found


def _present() -> QuerySet[Tenant]:
    return Tenant.objects.exclude(state=Tenant.State.ERASED)
