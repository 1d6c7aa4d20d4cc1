"""Erase faces: no search finds them when the operation returns; a receipt documents the erasure."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q, QuerySet

from collections_app import erasure
from collections_app.errors import ReceiptNotFound, UnknownCursor
from collections_app.models import Receipt
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.faces import find_face
from tenants import audit
from tenants.access import Caller, Scope


def delete_face(caller: Caller, *, collection: str | Alias, face: str) -> Receipt:
    """Erase one face, its template and its kept image; a person is deleted with their last face.

    Raises:
        FaceNotFound: the collection holds no such face.
    """
    caller.require(Scope.DELETE)
    (receipt,) = delete_faces(caller, collection=collection, faces=[face])
    return receipt


def delete_faces(
    caller: Caller, *, collection: str | Alias, faces: Sequence[str], reason: str = "", existing: bool = False
) -> tuple[Receipt, ...]:
    """Erase several faces at once, all or none, each with its own receipt, whose subject is its UUID.

    With `existing` those that are not in the collection are left out.

    Raises:
        FaceNotFound: one of them is not in the collection.
    """
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    facts = {"reason": reason} if reason else {}
    with transaction.atomic():
        lock(collection)
        if existing:
            faces = list(collection.faces.filter(uuid__in=faces).order_by("number").values_list("uuid", flat=True))
        found = [find_face(collection, face) for face in dict.fromkeys(faces)]
        erased = erasure.erase_each(caller, collection, found)
        for face, one in zip(found, erased, strict=True):
            audit.record(caller, "face.deleted", collection, faces=[face.uuid], receipt=one.receipt.uuid, **facts)
    for one in erased:
        erasure.search_again(collection, one)
    return tuple(one.receipt for one in erased)


def list_receipts(caller: Caller, *, before: int | None = None, limit: int = 50) -> QuerySet[Receipt]:
    """List the receipts of erasures within reach, newest first; `before` is the last id of the page before.

    Raises:
        UnknownCursor: no receipt within reach has this id.
    """
    caller.require(Scope.READ)
    receipts = reachable_receipts(caller)
    if before is not None:
        last = receipts.filter(pk=before).first()
        if last is None:
            raise UnknownCursor
        at = last.requested_at
        receipts = receipts.filter(Q(requested_at__lt=at) | Q(requested_at=at, pk__lt=before))
    return receipts.order_by("-requested_at", "-pk")[:limit]


def get_receipt(caller: Caller, *, receipt: str) -> Receipt:
    """Return a receipt by its UUID.

    Raises:
        ReceiptNotFound: no receipt within reach has it.
    """
    caller.require(Scope.READ)
    found = reachable_receipts(caller).filter(uuid=receipt).first()
    if found is None:
        raise ReceiptNotFound
    return found


def reachable_receipts(caller: Caller) -> QuerySet[Receipt]:
    """Return the receipts within reach. Not an operation."""
    return caller.within(Receipt.objects.of(caller.tenant))
