"""Erase faces: no search finds them when the operation returns; a receipt documents the erasure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from collections_app import erasure
from collections_app.errors import ReceiptNotFound, UnknownCursor
from collections_app.models import Collection, Face, Receipt
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.faces import find_face
from collections_app.operations.named_people import is_named
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Deletion:
    """The UUIDs of erased faces, and of those that were not because a person has them, with the person's reference."""

    deleted: frozenset[str]
    named: Mapping[str, str]


def delete_face(caller: Caller, *, collection: str | Alias, face: str) -> Receipt:
    """Erase one face, its template and its kept image; a person is deleted with their last face.

    Raises:
        FaceNotFound: the collection holds no such face.
    """
    caller.require(Scope.DELETE)
    (receipt,) = delete_faces(caller, collection=collection, faces=[face])
    return receipt


def delete_faces(
    caller: Caller, *, collection: str | Alias, faces: Sequence[str], reason: str = ""
) -> tuple[Receipt, ...]:
    """Erase several faces at once, all or none, each with its own receipt.

    Raises:
        FaceNotFound: one of them is not in the collection.
    """
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    facts = {"reason": reason} if reason else {}
    with transaction.atomic():
        lock(collection)
        found = [find_face(collection, face) for face in dict.fromkeys(faces)]
        erased = _erase(caller, collection, found, **facts)
    for one in erased:
        erasure.search_again(collection, one)
    return tuple(one.receipt for one in erased)


def delete_unnamed_faces(caller: Caller, *, collection: str, faces: Sequence[str]) -> Deletion:
    """Erase those of the faces that the collection holds and that are of no named person, each with its own receipt."""
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        found = list(collection.faces.filter(uuid__in=faces).select_related("person"))
        named = {face.uuid: face.person.reference for face in found if is_named(face.person)}
        gone = [face for face in found if face.uuid not in named]
        erased = _erase(caller, collection, gone)
    for one in erased:
        erasure.search_again(collection, one)
    return Deletion(frozenset(face.uuid for face in gone), named)


def delete_known_faces(caller: Caller, *, collection: str, faces: Sequence[str]) -> tuple[Face, ...]:
    """Erase those of the faces that the collection holds, each with its own receipt; return them as they were."""
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        held = {face.uuid: face for face in collection.faces.filter(uuid__in=faces).select_related("person")}
        found = [held[face] for face in dict.fromkeys(faces) if face in held]
        erased = _erase(caller, collection, found)
    for one in erased:
        erasure.search_again(collection, one)
    return tuple(found)


def _erase(caller: Caller, collection: Collection, faces: Sequence[Face], **facts: str) -> list[erasure.Erased]:
    """Erase faces, each with its receipt and audit entry; in the caller's transaction."""
    erased = erasure.erase_each(caller, collection, faces)
    for face, one in zip(faces, erased, strict=True):
        receipt = {"faces": [face.uuid], "receipt": one.receipt.uuid}
        audit.record_unchained(caller, "face.deleted", collection, **receipt, **facts)
    return erased


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
