"""A collection's do-not-enrol list: references of people who are not to be enrolled, whoever asks for it.

It is kept by reference, the caller's own id, since nothing else is left of somebody who was erased.
"""

from dataclasses import dataclass

from django.db import transaction

from collections_app.errors import EnrolmentBarred, PersonNotFound
from collections_app.identifiers import check, comparison_key
from collections_app.models import BarredReference, Collection
from collections_app.operations.collections import Alias, find, lock
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class BarredPage:
    """Some entries of a list, and whether it goes on."""

    entries: tuple[BarredReference, ...]
    more: bool

    @property
    def last(self) -> int:
        """Where the next page goes on."""
        return int(self.entries[-1].pk)


def list_barred(caller: Caller, *, collection: str | Alias, limit: int, after: int = 0) -> BarredPage:
    """Return up to `limit` entries by id, from the first one after an id."""
    caller.require(Scope.READ)
    page = tuple(find(caller, collection).do_not_enrol.filter(pk__gt=after).order_by("pk")[: limit + 1])
    return BarredPage(page[:limit], more=len(page) > limit)


def bar(caller: Caller, *, collection: str | Alias, reference: str) -> BarredReference:
    """Put a reference on the list; one that is there already stays. Faces that are enrolled are not erased by it.

    Raises:
        InvalidRequest: nobody can be called so.
    """
    caller.require(Scope.ADMIN)
    collection = find(caller, collection)
    check("reference", reference)
    with transaction.atomic():
        lock(collection)
        entry: BarredReference | None = collection.do_not_enrol.filter(reference_key=comparison_key(reference)).first()
        if entry is None:
            entry = BarredReference.unscoped.create(
                tenant=collection.tenant, collection=collection, reference=reference
            )
            audit.record(caller, "do_not_enrol.added", collection, entry=str(entry.pk))
    return entry


def unbar(caller: Caller, *, collection: str | Alias, reference: str) -> None:
    """Take a reference off the list.

    Raises:
        PersonNotFound: it is not on it.
    """
    caller.require(Scope.ADMIN)
    collection = find(caller, collection)
    with transaction.atomic():
        entry = collection.do_not_enrol.filter(reference_key=comparison_key(reference)).first()
        if entry is None:
            raise PersonNotFound(reference)
        audit.record(caller, "do_not_enrol.removed", collection, entry=str(entry.pk))
        entry.delete()


def refuse_barred(collection: Collection, reference: str) -> None:
    """Refuse to enrol somebody on the list. Not an operation of its own: each operation says its scope first.

    Raises:
        EnrolmentBarred: the reference is on it.
    """
    if reference and collection.do_not_enrol.filter(reference_key=comparison_key(reference)).exists():
        raise EnrolmentBarred
