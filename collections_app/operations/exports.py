"""Bulk export: ask for a collection as a sealed bundle, and fetch it."""

import base64
from collections.abc import Iterator, Sequence

from django.db import transaction

from collections_app import bulk, job_files
from collections_app.bundle import Seal
from collections_app.errors import InvalidRequest, JobOver
from collections_app.models import BulkJob, JobFile
from collections_app.operations.bulk_jobs import find_bulk_job
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.export_bundle import manifest_of
from collections_app.operations.jobs import Job, bulk_job
from collections_app.operations.members import require_owner
from tenants import audit
from tenants.access import Caller, Scope
from tenants.vault import Vault

BUNDLE = "bundle"
SHORTEST = 12  # characters of a passphrase
_CHUNK = 1_000_000


def begin_export(
    caller: Caller,
    *,
    collection: str | Alias,
    passphrase: str = "",
    recipients: Sequence[str] = (),
    images: bool = False,
) -> Job:
    """Have a collection made into a bundle, sealed under a passphrase or for age recipients; neither is kept in clear.

    Raises:
        OwnerNeeded: the caller is a member, and no owner.
        InvalidRequest: not exactly one of both, or one cannot be used.
        QuotaExceeded: too many jobs of the tenant are not over.
    """
    caller.require(Scope.ADMIN)
    caller.require(Scope.SCORES)
    require_owner(caller)
    found = find(caller, collection)
    if bool(passphrase) == bool(recipients):
        raise InvalidRequest("passphrase", "exactly one of passphrase and recipients is needed")
    if passphrase and len(passphrase) < SHORTEST:
        raise InvalidRequest("passphrase", f"must have {SHORTEST} characters at least")
    seal = Seal.under(passphrase) if passphrase else Seal.towards(*recipients)
    manifest = manifest_of(caller, [found])
    options = {"images": images, "recipients": seal.recipients, "key": base64.b64encode(seal.key).decode()}
    with transaction.atomic():
        lock(found)  # before an erasure, which then removes the bundle, or after it
        job = bulk.begin(caller, BulkJob.Kind.EXPORT, found, {**options, "manifest": manifest})
        bulk.start(job)
        sealed = "passphrase" if passphrase else "age"
        facts = {"bundle": manifest["id"], "faces": found.gallery.size, "images": images, "sealed": sealed}
        audit.record(caller, "collection.exported", found, **facts, job=str(job))
    return bulk_job(job)


def fetch_bundle(caller: Caller, *, job: str, offset: int = 0) -> tuple[int, Iterator[bytes]]:
    """Return how many bytes the bundle of a finished export has, and iterate over them from `offset` on.

    Raises:
        JobNotFound: no bulk job within reach has this id.
        OwnerNeeded: the caller is a member, and no owner.
        JobOver: there is no bundle: it is not finished yet, or was removed after its time or after an erasure.
    """
    caller.require(Scope.ADMIN)
    caller.require(Scope.SCORES)
    row = find_bulk_job(caller, job)
    file = job_files.of(row).filter(name=BUNDLE).first()
    if row.kind != BulkJob.Kind.EXPORT or file is None or not file.complete:
        raise JobOver(row.state)
    require_owner(caller)
    with transaction.atomic():
        audit.record(caller, "job.bundle_read", row, kind=row.kind, offset=offset)
    return file.size, _read(bulk.vault_of(row), file, offset)


def _read(vault: Vault, file: JobFile, offset: int) -> Iterator[bytes]:
    with job_files.opened(vault, file) as content:
        content.seek(offset)
        while chunk := content.read(_CHUNK):
            yield chunk
