"""A collection's do-not-enrol list: references of people whom no caller may enrol.

It holds references, the callers' own ids for people, because nothing else is left of an erased person.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from collections_app.errors import EnrolmentBarred, PersonNotFound
from collections_app.identifiers import check, comparison_key, folded_key
from collections_app.models import BarredReference, Collection
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.references import AnyCase
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class BarredPage:
    """A page of entries, and whether there are more after it."""

    entries: tuple[BarredReference, ...]
    more: bool

    @property
    def last(self) -> int:
        """The `after` of the next page."""
        return int(self.entries[-1].pk)


def list_barred(caller: Caller, *, collection: str | Alias, limit: int, after: int = 0) -> BarredPage:
    """Return up to `limit` entries in the order of their ids, beginning after the id `after`."""
    caller.require(Scope.READ)
    page = tuple(find(caller, collection).do_not_enrol.filter(pk__gt=after).order_by("pk")[: limit + 1])
    return BarredPage(page[:limit], more=len(page) > limit)


def bar(caller: Caller, *, collection: str | Alias, reference: str) -> BarredReference:
    """Put a reference on the list, if it is not there already; enrolled faces are not erased.

    Raises:
        InvalidRequest: a person cannot have this reference.
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
        PersonNotFound: the list does not have it.
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
    """Refuse to enrol a person on the list. Not an operation.

    Raises:
        EnrolmentBarred: the reference is on the list.
    """
    same = Q(reference_key=comparison_key(reference))
    if isinstance(reference, AnyCase):
        same |= Q(reference_folded=folded_key(reference))
    if reference and collection.bars and collection.do_not_enrol.filter(same).exists():
        raise EnrolmentBarred
