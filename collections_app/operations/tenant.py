"""The tenant itself: what it is called and which generation of a dialect it speaks."""

from typing import Literal

from django.db import transaction

from tenants import audit
from tenants.access import Caller, Scope
from tenants.models import Tenant


def update_tenant(caller: Caller, *, name: str, nhn_profile: str) -> Tenant:
    """Change the tenant's name and the generation of the NHN contract that its clients were written for."""
    caller.require(Scope.ADMIN)
    tenant = caller.tenant
    after = {"name": name, "profiles": {**tenant.profiles, "nhn": nhn_profile}}
    before = {"name": tenant.name, "profiles": tenant.profiles}
    tenant.name, tenant.profiles = name, after["profiles"]
    with transaction.atomic():
        tenant.save(update_fields=["name", "profiles"])
        audit.record(caller, "tenant.changed", tenant, before=before, after=after)
    return tenant


def nhn_profile(caller: Caller) -> Literal["prerelease", "current"]:
    """Return which generation of the NHN contract the tenant speaks."""
    caller.require(Scope.READ)
    return "current" if caller.tenant.profiles.get("nhn") == "current" else "prerelease"
