"""Kept images: sealed by the tenant's vault, on whatever storage the settings name."""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tenants.models import Tenant
from tenants.vault import Vault


def keep(tenant: Tenant, image: str, content: bytes) -> str:
    """Seal and store an image's bytes; return the name under which it lies."""
    sealed = Vault.of(tenant).seal(content, _context(image))
    return default_storage.save(f"images/{tenant.pk}/{image[:2]}/{image}", ContentFile(sealed))


def read(tenant: Tenant, image: str, name: str) -> bytes:
    """Return a kept image's bytes as they were given.

    Raises:
        FileNotFoundError: it was erased.
    """
    with default_storage.open(name) as file:
        return Vault.of(tenant).open(file.read(), _context(image))


def erase(name: str) -> None:
    """Remove a kept image; one that is gone already is as good."""
    default_storage.delete(name)


def _context(image: str) -> str:
    return f"image:{image}"
