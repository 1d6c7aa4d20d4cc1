"""What commands read from their options alike."""

from django.core.management.base import CommandError

from tenants.models import Tenant


def tenant_named(slug: str) -> Tenant:
    """Return the tenant with the slug.

    Raises:
        CommandError: there is none.
    """
    found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        message = f"There is no tenant {slug!r}; make it with create_tenant."
        raise CommandError(message)
    return found
