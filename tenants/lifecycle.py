"""A tenant's beginning."""

from django.db import transaction

from tenants import audit, signing, vault
from tenants.access import system
from tenants.models import Tenant


def create_tenant(slug: str, name: str) -> Tenant:
    """Make a tenant with its first data key and the start of its audit chain."""
    with transaction.atomic():
        tenant = Tenant.objects.create(slug=slug, name=name)
        signing.public_keys()  # the first tenant brings the installation's key, with which tenants.startup compares
        vault.add_data_key(tenant)
        audit.start(tenant)
        audit.record(system(tenant, "create_tenant"), "tenant.created", tenant, slug=slug)
    return tenant
