"""Creating a tenant, and what the operator changes of it."""

from typing import Any

from django.db import transaction

from tenants import audit, signing, vault
from tenants.access import Caller, system
from tenants.models import Tenant


def create_tenant(slug: str, name: str) -> Tenant:
    """Create a tenant with its first data key and its audit chain."""
    with transaction.atomic():
        tenant = Tenant.objects.create(slug=slug, name=name)
        signing.public_keys()  # creates the signing key, which tenants.startup opens to check the master key
        vault.add_data_key(tenant)
        audit.start(tenant)
        audit.record(system(tenant, "create_tenant"), "tenant.created", tenant, slug=slug)
    return tenant


def change_tenant(caller: Caller, **values: Any) -> None:  # noqa: ANN401 -- a row's values
    """Change a tenant's name, state, profiles or quotas, and record what changed in its audit log."""
    tenant = caller.tenant
    before = {name: getattr(tenant, name) for name, value in values.items() if getattr(tenant, name) != value}
    if not before:
        return
    for name in before:
        setattr(tenant, name, values[name])
    with transaction.atomic():
        tenant.save(update_fields=list(before))
        audit.record(caller, "tenant.changed", tenant, before=before, after={name: values[name] for name in before})
