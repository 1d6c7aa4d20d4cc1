"""People by their references, for contracts in which a person is a name: list, rename and erase them."""

from dataclasses import dataclass

from django.db import transaction

from collections_app import identifiers
from collections_app.errors import PersonNotFound
from collections_app.models import Collection, Person
from collections_app.operations.collections import find, lock
from collections_app.operations.data_subject import delete_person
from collections_app.operations.do_not_enrol import refuse_barred
from collections_app.operations.merge_split import move_all
from collections_app.operations.references import find_person, known_person
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Erased:
    """How many people were erased, and how many faces they had."""

    people: int
    faces: int


def list_references(caller: Caller, *, collection: str) -> tuple[str, ...]:
    """Return the references of all people, in the order in which they were added."""
    caller.require(Scope.READ)
    people = find(caller, collection).people.order_by("created_at", "pk")
    return tuple(people.values_list("reference", flat=True))


def rename_person(caller: Caller, *, collection: str, person: str, reference: str) -> Person:
    """Give a person another reference; if another person has it, that person gets all faces and this one is deleted.

    Raises:
        PersonNotFound: the collection holds no such person.
        EnrolmentBarred: the new reference is on the do-not-enrol list.
        InvalidRequest: a person cannot have the reference.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    identifiers.check("reference", reference)
    with transaction.atomic():
        lock(collection)
        renamed = find_person(collection, person)
        refuse_barred(collection, reference)
        other = known_person(collection, reference)
        if other and other != renamed:
            move_all(caller, collection, renamed, other)
            return other
        renamed.reference = str(reference)
        renamed.save(update_fields=["reference", "reference_key", "reference_folded"])
        audit.record(caller, "person.changed", renamed, collection=str(collection.pk), fields=["reference"])
    return renamed


def erase_person(caller: Caller, *, collection: str, person: str) -> Person:
    """Erase a person with all faces (data_subject.delete_person); return them as they were.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.DELETE)
    found = find_person(find(caller, collection), person)
    delete_person(caller, collection=collection, person=found.pk)
    return found


def erase_people(caller: Caller, *, collection: str, person: str = "") -> Erased:
    """Erase everybody with all faces, or the one person of this reference, who may be unknown; one receipt for each.

    Each person is a transaction of their own: if the call ends early, a repetition erases the rest.
    """
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    people = faces = 0
    for pk in _ids(collection, person):
        try:
            receipt = delete_person(caller, collection=str(collection.pk), person=pk)
        except PersonNotFound:  # somebody else has erased them just now
            continue
        people, faces = people + 1, faces + receipt.face_count
    return Erased(people, faces)


def _ids(collection: Collection, person: str) -> list[int]:
    if not person:
        return list(collection.people.order_by("pk").values_list("pk", flat=True))
    found = known_person(collection, person)
    return [found.pk] if found else []
