"""Creating a tenant."""

from django.db import transaction

from tenants import audit, signing, vault
from tenants.access import system
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
