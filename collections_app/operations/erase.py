"""Erase what was enrolled: unsearchable everywhere when the operation returns, with a receipt of what became of it."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet

from collections_app import erasure, tasks
from collections_app.errors import ReceiptNotFound
from collections_app.models import Receipt
from collections_app.operations.collections import Node, find, lock
from collections_app.operations.faces import find_face
from tenants import audit
from tenants.access import Caller, Scope
from tenants.queue import soon


def delete_face(caller: Caller, *, collection: str | Node, face: str) -> Receipt:
    """Erase one face, its template and its kept image; a person goes with their last face.

    Raises:
        FaceNotFound: the collection holds no such face.
    """
    caller.require(Scope.DELETE)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        found = find_face(home, face)
        receipt, probes = erasure.erase_faces(caller, home, [found], kind=Receipt.Kind.FACE, subject=found.uuid)
        audit.record(caller, "face.deleted", home, faces=[found.uuid], receipt=receipt.uuid)
        transaction.on_commit(lambda: soon(tasks.finish_erasure.name, receipt.pk))
    erasure.search_again(home, receipt, probes)
    return receipt


def list_receipts(caller: Caller, *, before: int | None = None, limit: int = 50) -> QuerySet[Receipt]:
    """List the receipts of erasures within reach, newest first; `before` is the id that the page before ended with."""
    caller.require(Scope.READ)
    receipts = _reachable(caller)
    if before is not None:
        receipts = receipts.filter(requested_at__lt=_get(receipts, pk=before).requested_at)
    return receipts.order_by("-requested_at")[:limit]


def get_receipt(caller: Caller, *, receipt: str) -> Receipt:
    """Return a receipt by its UUID.

    Raises:
        ReceiptNotFound: none within reach has it.
    """
    caller.require(Scope.READ)
    return _get(_reachable(caller), uuid=receipt)


def _reachable(caller: Caller) -> QuerySet[Receipt]:
    receipts = Receipt.objects.of(caller.tenant)
    return receipts if caller.collections is None else receipts.filter(collection_id__in=caller.collections)


def _get(receipts: QuerySet[Receipt], **which: object) -> Receipt:
    found = receipts.filter(**which).first()
    if found is None:
        raise ReceiptNotFound
    return found


def delete_faces(caller: Caller, *, collection: str, faces: Sequence[str], reason: str = "") -> Receipt:
    """Erase several faces at once, all or none.

    Raises:
        FaceNotFound: one of them is not in the collection.
    """
    caller.require(Scope.DELETE)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        found = [find_face(home, face) for face in dict.fromkeys(faces)]
        uuids = [face.uuid for face in found]
        receipt, probes = erasure.erase_faces(caller, home, found, kind=Receipt.Kind.FACE, subject=uuids[0])
        audit.record(caller, "face.deleted", home, faces=uuids, reason=reason, receipt=receipt.uuid)
        transaction.on_commit(lambda: soon(tasks.finish_erasure.name, receipt.pk))
    erasure.search_again(home, receipt, probes)
    return receipt
