"""Erasure: delete rows at once, files soon after, and sign a receipt when nothing is left.

The rows are deleted in the transaction of the request, so that no search in any process finds them. The receipt stays
open until a job has found every row and file gone, and the database's freed pages and log clean; then it is signed.
Both operations and tasks erase with this module.

Longer than 300 lines: what opens a receipt and what closes it are read together.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from collections_app import galleries, storage, stores
from collections_app.models import (
    AnsweredFace,
    BarredReference,
    BulkJob,
    Collection,
    Face,
    JobFile,
    JobUnit,
    KeyedRequest,
    NearMatch,
    Person,
    Receipt,
)
from recognition.index import face_index, lease, pgvector_table, store
from recognition.models import Compaction, Embedding, Gallery, IndexSegment, Tombstone
from tenants import audit, events, signing
from tenants.access import Caller
from tenants.errors import MasterKeyUnusable
from tenants.models import ApiKey, DataKey, Tenant
from tenants.queue import enqueue
from tenants.task_names import Task

logger = logging.getLogger("faceplane.erasure")
_SEARCHED = 20  # faces of one erasure that are searched for afterwards
_NEAREST = 10
_IN_USE = timedelta(seconds=60)
_OWNS_TABLES = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid = ANY(%s::text[]::regclass[])"
_TABLES = (
    Embedding,
    Tombstone,
    Gallery,
    Face,
    Person,
    BarredReference,
    KeyedRequest,
    AnsweredFace,
    NearMatch,
    BulkJob,
    JobUnit,
    JobFile,
)


@dataclass(frozen=True, slots=True)
class Erased:
    """The open receipt of erased faces, and some of their templates, to search for them afterwards."""

    receipt: Receipt
    probes: tuple[np.ndarray, ...]


def erase_each(caller: Caller, collection: Collection, faces: Iterable[Face]) -> list[Erased]:
    """Erase faces in the caller's transaction, each with its own receipt.

    So a receipt can be given to the person whose face it was: it contains nothing about others.
    """
    return [erase_faces(caller, collection, [face], kind=Receipt.Kind.FACE, subject=face.uuid) for face in faces]


def erase_faces(
    caller: Caller, collection: Collection, faces: Sequence[Face], *, kind: Receipt.Kind, subject: str
) -> Erased:
    """Erase faces, and the people without faces left, in the caller's transaction.

    Their files are removed after the commit; if the storage is down, later, before the receipt is signed.
    """
    ids = [face.pk for face in faces]
    probes = _probes(collection, faces[:_SEARCHED])
    galleries.remove(collection, ids)
    Face.objects.of(collection.tenant).filter(pk__in=ids).delete()
    people = {face.person_id for face in faces}
    Person.objects.of(collection.tenant).filter(pk__in=people, faces__isnull=True).delete()
    events.emit(
        collection.tenant, events.Kind.FACE_DELETED, collection=collection.name, faces=[face.uuid for face in faces]
    )
    receipt = begin(caller, kind=kind, subject=subject, collection=collection, face_count=len(faces))
    receipt.faces = [str(pk) for pk in ids]
    receipt.files = sorted(_own_files(collection, faces))
    receipt.segments = sorted(store.holders(collection.tenant, ids))
    receipt.save(update_fields=["faces", "files", "segments"])
    stores.KEPT_ANSWERS.purge(receipt)
    transaction.on_commit(lambda: stores.KEPT_IMAGES.purge(receipt), robust=True)
    transaction.on_commit(lambda: stores.JOBS.purge(receipt), robust=True)
    return Erased(receipt, probes)


def begin(
    caller: Caller, *, kind: Receipt.Kind, subject: str, collection: Collection | None = None, face_count: int = 0
) -> Receipt:
    """Open a receipt, in the caller's transaction."""
    segments = IndexSegment.objects.of(caller.tenant).filter(gallery__collection=collection) if collection else ()
    return Receipt.unscoped.create(
        tenant=caller.tenant,
        segments=[segment.name for segment in segments] if kind == Receipt.Kind.COLLECTION else [],
        collection=collection,
        kind=kind,
        subject=subject,
        requested_by=f"{caller.kind}:{caller.id}",
        request_id=caller.request_id,
        face_count=face_count,
    )


def search_again(collection: Collection, erased: Erased) -> None:
    """Search for the erased faces after the commit, save how many were found (0 is right), and queue the completion.

    If no master key opens the collection's templates, there is no search; the receipt has the number of searches.
    """
    receipt = erased.receipt
    gone = {int(face) for face in receipt.faces}
    try:
        for probe in erased.probes:
            near = face_index().search(collection.gallery, probe, limit=_NEAREST, floor=-1.0)
            receipt.searches += 1
            receipt.found_again += sum(neighbour.face_id in gone for neighbour in near)
    except MasterKeyUnusable:
        logger.exception("An erased face could not be searched for.", extra={"receipt": receipt.uuid})
    receipt.save(update_fields=["searches", "found_again"])
    if receipt.found_again:
        logger.error("An erased face was found again.", extra={"receipt": receipt.uuid})
    enqueue(Task.FINISH_ERASURE, receipt.pk)


def finish(receipt: Receipt) -> bool:
    """Count what is left in every store; if nothing is, sign and close the receipt. Return whether it is closed.

    Can be run again at any point. Must not run in a transaction, because it vacuums the database.
    """
    if receipt.completed_at is not None:
        return True
    stores.KEPT_ANSWERS.purge(receipt)
    stores.KEPT_IMAGES.purge(receipt)
    stores.REQUEST_LOG.purge(receipt)  # rows of the last requests arrive some seconds late
    stores.JOBS.purge(receipt)
    building = _being_indexed(receipt)
    _follow_segments(receipt)
    left = stores.left(receipt)
    scrubbed = "" if building or any(left.values()) or receipt.found_again else scrub()
    if not scrubbed:
        logger.info(
            "An erasure is not complete yet.",
            extra={"receipt": receipt.uuid, "left": {each.name: count for each, count in left.items()}},
        )
        return False
    now = timezone.now()
    document = signing.signed(_document(receipt, left, scrubbed, now.isoformat()))
    storage.keep_receipt(receipt.uuid, document)
    # The task may run twice at the same time: the first signed document stays.
    still_open = Receipt.objects.of(receipt.tenant).filter(pk=receipt.pk, completed_at=None)
    still_open.update(document=document, completed_at=now, faces=[], files=[], segments=[])
    receipt.refresh_from_db()
    return True


def purge_gallery(receipt: Receipt) -> bool:
    """Remove a gallery that a change of the pack left over; return whether nothing of it is left. Can be run again.

    Requests that read the collection before the change ended may still search it: it stays for a minute. A worker that
    holds its compaction lease has to finish first.
    """
    if timezone.now() < receipt.requested_at + _IN_USE:
        return False
    gallery = Gallery.objects.of(receipt.tenant).filter(pk=receipt.subject).select_related("tenant").first()
    if gallery and not gallery.mirrored and lease.Lease.take(gallery) is None:
        return False
    stores.purge(receipt)
    return True


def erase_tenant(caller: Caller) -> Receipt:
    """Erase a tenant: close it and destroy its data keys at once, then remove all its rows and files.

    Without the keys nothing that they encrypted can be read, here or in any copy of the files; only older backups of
    the database have the keys, wrapped, until they expire. What stays: the tenant's row without its name, the audit
    chain, which has no biometric data, and the receipts. Can be run again at any point.
    """
    tenant = caller.tenant
    with transaction.atomic():
        receipt = Receipt.objects.of(tenant).filter(kind=Receipt.Kind.TENANT).first()
        if receipt is None:
            count = Face.objects.of(tenant).count()
            receipt = begin(caller, kind=Receipt.Kind.TENANT, subject=str(tenant.pk), face_count=count)
            audit.record(caller, "tenant.erased", tenant, faces=count, receipt=receipt.uuid)
        ApiKey.objects.of(tenant).delete()
        DataKey.objects.of(tenant).delete()
        tenant.state, tenant.name, tenant.slug = Tenant.State.ERASED, "", f"erased-{tenant.pk}"
        tenant.save(update_fields=["state", "name", "slug"])
    stores.purge(receipt)
    finish(receipt)
    return receipt


def scrub() -> str:
    """Remove deleted rows from the database's pages and log; return what was done, empty if it must be tried again.

    SQLite overwrites deleted rows (secure_delete), and its write-ahead log is truncated here. PostgreSQL vacuums
    dead rows; the worker's role must own the tables, because PostgreSQL skips others without an error.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy, *_ = cursor.fetchone()
            return "" if busy else "deleted rows overwritten, write-ahead log truncated"
        tables = [connection.ops.quote_name(model._meta.db_table) for model in _TABLES] + pgvector_table.tables()
        cursor.execute(_OWNS_TABLES, [tables])
        if cursor.fetchone() != (True,):
            logger.error("The role of DATABASE_URL must own the tables, or nothing can be erased for good.")
            return ""
        for table in tables:
            cursor.execute(f"VACUUM {table}")
    return "dead rows vacuumed"


def _probes(collection: Collection, faces: Iterable[Face]) -> tuple[np.ndarray, ...]:
    """Return the faces' templates, to search for them after the erasure; none if they cannot be decrypted."""
    try:
        return tuple(store.vectors(collection.gallery, [face.pk for face in faces]).values())
    except MasterKeyUnusable:
        logger.warning("The templates that are erased could not be read.", extra={"collection": collection.pk})
        return ()


def _own_files(collection: Collection, faces: Iterable[Face]) -> set[str]:
    """Return the names of the kept images that no other face shares."""
    faces = list(faces)
    names = {face.stored_image for face in faces if face.stored_image}
    showing = Face.objects.of(collection.tenant).filter(stored_image__in=names)
    shared = showing.exclude(pk__in=[face.pk for face in faces])
    return names - set(shared.values_list("stored_image", flat=True))


def _being_indexed(receipt: Receipt) -> bool:
    """Return whether a worker may still publish a segment with a template that it read before the erasure.

    Waits for a worker that is just publishing. A mirrored gallery (pgvector) has no segments.
    """
    own = Gallery.objects.of(receipt.tenant).filter(collection=receipt.collection_id, mirrored=False)
    works = Compaction.objects.of(receipt.tenant).filter(gallery__in=own)  # not a join, which would lock the gallery
    with transaction.atomic():
        return lease.held(works).select_for_update().exists()


def _follow_segments(receipt: Receipt) -> None:
    """Add segments that got an erased template since: a compaction may have read it just before the erasure."""
    found = store.holders(receipt.tenant, [int(face) for face in receipt.faces]) - set(receipt.segments)
    if found:
        receipt.segments = sorted({*receipt.segments, *found})
        receipt.save(update_fields=["segments"])


def adopt_receipt(tenant: Tenant, document: Mapping[str, Any], collection: Collection | None, uuid: str) -> None:
    """Store the receipt that a signed document tells of, under this UUID."""
    erased, again = document["erased"], document["searched_again"]
    receipt = Receipt(
        tenant=tenant,
        uuid=uuid,
        collection=collection,
        kind=erased["kind"],
        subject=erased["id"],
        requested_by=document["requested_by"],
        request_id=document["request_id"],
        face_count=erased["faces"],
        searches=again["searches"],
        found_again=again["erased_faces_found"],
        completed_at=datetime.fromisoformat(document["completed_at"]),
        document=dict(document),
    )
    receipt.clean_fields(exclude=("tenant", "collection", "faces", "files", "segments"))
    receipt.save(force_insert=True)
    asked = datetime.fromisoformat(document["requested_at"])
    Receipt.objects.of(tenant).filter(pk=receipt.pk).update(requested_at=asked)


def _document(receipt: Receipt, left: Mapping[stores.Store, int], scrubbed: str, now: str) -> dict[str, Any]:
    return {
        "kind": "faceplane.erasure-receipt",
        "version": 1,
        "id": receipt.uuid,
        "tenant": receipt.tenant.slug,
        "erased": {
            "kind": receipt.kind,
            "id": receipt.subject,
            "collection": str(receipt.collection_id) if receipt.collection_id else None,
            "faces": receipt.face_count,
        },
        "requested_at": receipt.requested_at.isoformat(),
        "requested_by": receipt.requested_by,
        "request_id": receipt.request_id,
        "completed_at": now,
        "stores": [{"store": each.name, "left": count} for each, count in left.items() if each.in_receipt],
        "database": f"{connection.vendor}: {scrubbed}",
        "searched_again": {"searches": receipt.searches, "erased_faces_found": receipt.found_again},
        "backups": f"Older copies expire after {settings.BACKUP_DAYS} days, as the operator declares.",
    }
