"""Kept images: sealed by the tenant's vault, on whatever storage the settings name.

They lie in a folder of their collection's in one of their tenant's, so that what is left of either can be looked for
there, whether or not a row still names it.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from collections_app.errors import Unavailable
from collections_app.models import Collection
from tenants.models import Tenant
from tenants.vault import Vault

logger = logging.getLogger("faceplane.storage")


def keep(collection: Collection, image: str, content: bytes) -> str:
    """Seal and store an image's bytes; return the name under which it lies.

    Raises:
        Unavailable: the storage does not answer, or its disk is full; nothing of the image is left there then.
    """
    sealed = Vault.of(collection.tenant).seal(content, _context(image))
    name = f"{_folder(collection.tenant_id, collection.pk)}/{image[:2]}/{image}"  # which nobody else has
    with _answering():
        try:
            return default_storage.save(name, ContentFile(sealed))
        except OSError:
            with suppress(OSError):
                default_storage.delete(name)
            raise


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
    """Say in our own words that the storage does not answer, or not well: S3, or a disk that is full or read-only."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BotoCoreError, ClientError, OSError) as error:
        logger.warning("The storage of images fails", extra={"error": str(error)})
        raise Unavailable("file storage") from error


def check() -> None:
    """Ask S3 for a name, or write to the folder and leave nothing there.

    Raises:
        Unavailable: the storage does not answer, or cannot be written to.
    """
    with _answering():
        if not isinstance(default_storage, FileSystemStorage):
            default_storage.exists("readyz")
            return
        folder = Path(default_storage.location)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))


def exists(name: str) -> bool:
    """Tell whether a kept image is there."""
    with _answering():
        return default_storage.exists(name)


def kept_at(name: str) -> datetime:
    """Return when an image was kept.

    Raises:
        FileNotFoundError: it was erased.
    """
    with _answering():
        return default_storage.get_modified_time(name)


def names(tenant_id: int, collection_id: int | None = None) -> Iterator[str]:
    """Find everything that is kept of a tenant, or of one collection of it."""
    return _names(_folder(tenant_id, collection_id))


def _names(folder: str) -> Iterator[str]:
    try:
        with _answering():
            folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{file}" for file in files)
    for inner in folders:
        yield from _names(f"{folder}/{inner}")


def _folder(tenant_id: int, collection_id: int | None = None) -> str:
    return f"images/{tenant_id}" if collection_id is None else f"images/{tenant_id}/{collection_id}"


def _context(image: str) -> str:
    return f"image:{image}"
