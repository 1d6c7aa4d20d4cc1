"""Kept images: encrypted by the tenant's vault, in the storage of the settings (disk or S3).

Each collection has a folder inside its tenant's folder, so that an erasure can list all files of either, including
files that no row refers to. Beside them are the files of jobs, in the same order, and the receipts of completed
erasures, for a restore.
"""

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from collections_app.errors import Unavailable
from collections_app.models import Collection
from tenants.models import Tenant
from tenants.vault import Vault

logger = logging.getLogger("faceplane.storage")
_IMAGES, _JOBS, _RECEIPTS = "images", "jobs", "erasures"


def keep(collection: Collection, image: str, content: bytes) -> str:
    """Encrypt and store an image's bytes; return the file's name.

    Raises:
        Unavailable: the storage does not answer or is full; no part of the image stays there.
    """
    sealed = Vault.of(collection.tenant).seal(content, _context(image))
    name = f"{_folder(collection.tenant_id, collection.pk)}/{image[:2]}/{image}"  # unique, as the image's id is
    with _answering():
        try:
            return default_storage.save(name, ContentFile(sealed))
        except OSError:
            with suppress(OSError):
                default_storage.delete(name)
            raise


def read(tenant: Tenant, image: str, name: str) -> bytes:
    """Return a kept image's original bytes.

    Raises:
        FileNotFoundError: it was erased.
        Unavailable: the storage does not answer.
    """
    return reader(tenant)(image, name)


def reader(tenant: Tenant) -> Callable[[str, str], bytes]:
    """Return a `read` for many images of one tenant, which loads the tenant's keys once."""
    vault = Vault.of(tenant)

    def read_one(image: str, name: str) -> bytes:
        with _answering(), default_storage.open(name) as file:
            return vault.open(file.read(), _context(image))

    return read_one


def erase(name: str) -> None:
    """Remove a kept image; it is no error if it is gone already."""
    with _answering():
        default_storage.delete(name)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the errors of S3, and of a disk that is full or read-only, into Unavailable."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BotoCoreError, ClientError, OSError) as error:
        logger.warning("The storage of images fails", extra={"error": str(error)})
        raise Unavailable("file storage") from error


def check() -> None:
    """Check that the storage works: ask S3 for a name, or write a temporary file to the folder.

    Raises:
        Unavailable: the storage does not answer, or the folder cannot be written to.
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
    """Return whether a kept image exists."""
    with _answering():
        return default_storage.exists(name)


def kept_at(name: str) -> datetime:
    """Return when an image was kept.

    Raises:
        FileNotFoundError: it was erased.
    """
    with _answering():
        return default_storage.get_modified_time(name)


def all_names() -> Iterator[str]:
    """Iterate over the names of all kept images."""
    return _names(_IMAGES)


def sealed(name: str) -> bytes:
    """Return a kept image's bytes as they are stored, encrypted.

    Raises:
        FileNotFoundError: it was erased.
    """
    with _answering(), default_storage.open(name) as file:
        content: bytes = file.read()
    return content


def put_sealed(name: str, content: bytes) -> None:
    """Store an image's encrypted bytes under a name that `sealed` read them from."""
    with _answering():
        default_storage.save(name, ContentFile(content))


def keep_receipt(receipt: str, document: Mapping[str, Any]) -> None:
    """Store a signed receipt, so that a restored database can learn of the erasure; it holds ids and counts only."""
    name = f"{_RECEIPTS}/{receipt}.json"
    with _answering():
        if not default_storage.exists(name):
            default_storage.save(name, ContentFile(json.dumps(document).encode()))


def kept_receipts() -> Iterator[dict[str, Any]]:
    """Iterate over the stored receipts."""
    for name in _names(_RECEIPTS):
        yield json.loads(sealed(name))


def names(tenant_id: int, collection_id: int | None = None) -> Iterator[str]:
    """Iterate over the names of all kept images of a tenant, or of one of its collections."""
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


def job_folder(tenant_id: int, collection_id: int | None = None, job_id: int | None = None, file: str = "") -> str:
    """Return the folder of the files of a tenant's jobs, of a collection's (0: of none), of one job, or of one file."""
    parts = (_JOBS, tenant_id, collection_id, job_id, file or None)
    return "/".join(str(part) for part in parts if part is not None)


def job_names(folder: str) -> Iterator[str]:
    """Iterate over the names of all files in a folder of jobs."""
    return _names(folder)


def _folder(tenant_id: int, collection_id: int | None = None) -> str:
    return f"{_IMAGES}/{tenant_id}" if collection_id is None else f"{_IMAGES}/{tenant_id}/{collection_id}"


def _context(image: str) -> str:
    return f"image:{image}"
