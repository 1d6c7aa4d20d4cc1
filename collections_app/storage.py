"""Kept images: sealed by the tenant's vault, on whatever storage the settings name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from collections_app.errors import Unavailable
from tenants.models import Tenant
from tenants.vault import Vault


def keep(tenant: Tenant, image: str, content: bytes) -> str:
    """Seal and store an image's bytes; return the name under which it lies.

    Raises:
        Unavailable: the storage does not answer.
    """
    sealed = Vault.of(tenant).seal(content, _context(image))
    with _answering():
        return default_storage.save(f"images/{tenant.pk}/{image[:2]}/{image}", ContentFile(sealed))


def read(tenant: Tenant, image: str, name: str) -> bytes:
    """Return a kept image's bytes as they were given.

    Raises:
        FileNotFoundError: it was erased.
        Unavailable: the storage does not answer.
    """
    return reader(tenant)(image, name)


def reader(tenant: Tenant) -> Callable[[str, str], bytes]:
    """Return `read` for many of a tenant's images: the tenant's keys are looked up once."""
    vault = Vault.of(tenant)

    def read_one(image: str, name: str) -> bytes:
        with _answering(), default_storage.open(name) as file:
            return vault.open(file.read(), _context(image))

    return read_one


def erase(name: str) -> None:
    """Remove a kept image; one that is gone already is as good."""
    with _answering():
        default_storage.delete(name)


@contextmanager
def _answering() -> Iterator[None]:
    """Say in our own words that S3 does not answer, or not well."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("file storage") from error


def _context(image: str) -> str:
    return f"image:{image}"
