"""Erasures that a backup does not know of, applied again after it was restored: what was erased stays erased.

Their receipts come from the database that is replaced, from the storage, where each completed erasure leaves its
receipt, and from files, such as those that were handed out. A receipt counts only with this installation's signature.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from collections_app import erasure, galleries, storage
from collections_app.models import Collection, Face, ModelChange, Person, Receipt
from collections_app.operations.collections import delete_collection
from collections_app.operations.data_subject import delete_person
from collections_app.operations.erase import delete_faces
from collections_app.operations.model_changes import end_model_change
from tenants import signing
from tenants.access import Caller, system
from tenants.errors import SignatureBroken
from tenants.models import Tenant

_BY = "restore"


def of_database() -> list[dict[str, Any]]:
    """Return the receipts of the database that is to be replaced; none if it cannot be read."""
    try:
        return list(Receipt.unscoped.exclude(completed_at=None).values_list("document", flat=True))
    except DatabaseError:
        return []


def of_storage() -> Iterator[dict[str, Any]]:
    """Yield the receipts that completed erasures left in the storage."""
    return storage.kept_receipts()


def of_files(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield the receipts of files, or of all `.json` files of folders.

    Raises:
        CommandError: a file is no receipt.
    """
    for path in paths:
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            try:
                content = json.loads(file.read_text(encoding="utf-8"))
                yield content.get("document") or content
            except (OSError, ValueError, AttributeError) as error:
                message = f"{file} is no receipt: {error}"
                raise CommandError(message) from None


def unknown(documents: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the receipts that the restored database does not have, each once, in order of time.

    The second list has the ids of those without a valid signature, which are not applied.
    """
    genuine: dict[str, dict[str, Any]] = {}
    refused = []
    for document in documents:
        try:
            signing.check(document)
            genuine[document["id"]] = document
        except SignatureBroken:
            refused.append(str(document.get("id")))
    known = set(Receipt.unscoped.filter(uuid__in=genuine).values_list("uuid", flat=True))
    later = (genuine[key] for key in genuine.keys() - known)
    return sorted(later, key=lambda document: str(document["requested_at"])), refused


def apply(document: dict[str, Any]) -> None:
    """Erase again what the receipt says was erased, if the backup brought it back, and keep the original receipt."""
    erased = document["erased"]
    kind, subject, reason = erased["kind"], erased["id"], f"restored from a backup; receipt {document['id']}"
    if kind == Receipt.Kind.TENANT:
        for tenant in Tenant.objects.filter(pk=subject).exclude(state=Tenant.State.ERASED):
            erasure.erase_tenant(_caller(tenant))
            _keep(document, tenant)
    elif kind == Receipt.Kind.COLLECTION:
        for collection in Collection.unscoped.filter(pk=subject):
            if collection.state == Collection.State.ACTIVE:
                delete_collection(_caller(collection.tenant), name=collection.name)
            _keep(document, collection.tenant)
    elif kind in {Receipt.Kind.PERSON, Receipt.Kind.FACE}:
        _erase_faces(document, reason)
    elif kind == Receipt.Kind.TEMPLATES:
        _end_model_change(document)
    # Retention repeats itself: the worker erases faces that are older than their collection allows.


def _erase_faces(document: dict[str, Any], reason: str) -> None:
    erased = document["erased"]
    kind, subject = erased["kind"], erased["id"]
    collection = Collection.unscoped.filter(pk=erased["collection"]).first()
    if collection is None:
        return  # it was made after the backup, and so was what is in it
    caller, name = _caller(collection.tenant), collection.name
    if kind == Receipt.Kind.PERSON and Person.unscoped.filter(pk=subject, collection=collection).exists():
        delete_person(caller, collection=name, person=int(subject), reason=reason)
    elif kind == Receipt.Kind.FACE and Face.unscoped.filter(uuid=subject, collection=collection).exists():
        delete_faces(caller, collection=name, faces=[subject], reason=reason)
    _keep(document, collection.tenant)


def _end_model_change(document: dict[str, Any]) -> None:
    """Erase the templates of a pack that was replaced; those that searches read again, in an older backup, stay."""
    for change in ModelChange.unscoped.exclude(state=ModelChange.State.ENDED).select_related("collection__tenant"):
        gallery, tenant = galleries.standby(change), change.collection.tenant
        if gallery and str(gallery.pk) == document["erased"]["id"]:
            end_model_change(_caller(tenant), collection=change.collection.name)
            _keep(document, tenant)


def _caller(tenant: Tenant) -> Caller:
    return system(tenant, _BY)


def _keep(document: dict[str, Any], tenant: Tenant) -> None:
    place = document["erased"]["collection"]
    collection = Collection.unscoped.filter(pk=place).first() if place else None
    erasure.adopt_receipt(tenant, document, collection, document["id"])
