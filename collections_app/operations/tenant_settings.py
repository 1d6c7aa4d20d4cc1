"""The tenant's name and its settings of the dialects."""

from collections.abc import Mapping

from django.db import transaction

from tenants import audit
from tenants.access import Caller, Scope
from tenants.models import Tenant


def update_tenant(caller: Caller, *, name: str, profiles: Mapping[str, str]) -> Tenant:
    """Change the tenant's name, and a setting for each dialect in `profiles`; its descriptor lists the choices."""
    caller.require(Scope.ADMIN)
    tenant = caller.tenant
    after = {"name": name, "profiles": {**tenant.profiles, **profiles}}
    before = {"name": tenant.name, "profiles": tenant.profiles}
    tenant.name, tenant.profiles = name, after["profiles"]
    with transaction.atomic():
        tenant.save(update_fields=["name", "profiles"])
        audit.record(caller, "tenant.changed", tenant, before=before, after=after)
    return tenant
