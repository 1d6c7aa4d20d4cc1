"""Find people by their references, the callers' own ids for them. None of this is an operation."""

from django.db.models import Q

from collections_app import identifiers
from collections_app.errors import PersonNotFound
from collections_app.models import Collection, Person
from tenants.scope import as_id


class AnyCase(str):
    """A reference that also finds one which differs in capitals only."""

    __slots__ = ()


def find_person(collection: Collection, person: int | str) -> Person:
    """Return a person: an int is our id, a text the caller's reference or else our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    found = known_person(collection, person) if isinstance(person, str) else collection.people.filter(pk=person).first()
    if found is None:
        raise PersonNotFound(str(person))
    return found


def known_person(collection: Collection, reference: str) -> Person | None:
    """Return the person with this reference, or else with this id of ours.

    Callers get our id for a person without a reference, so they may send it as the reference.
    """
    if not reference or "\0" in reference:
        return None
    key = identifiers.comparison_key(reference)
    same = Q(reference_key=key)
    if isinstance(reference, AnyCase):
        same |= Q(reference_folded=identifiers.folded_key(reference))
    people = collection.people.filter(same).order_by("created_at", "pk")
    found = min(people, key=lambda person: person.reference_key != key, default=None)  # of several: the one spelt so
    if found is None and (ours := as_id(key)) is not None:
        found = collection.people.filter(pk=ours).first()
    return found
