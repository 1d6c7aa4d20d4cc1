"""A data subject's request over all collections: find the person, hand out everything, erase everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from collections_app import identifiers
from collections_app.errors import PersonNotFound
from collections_app.models import Person, Receipt
from collections_app.operations.collections import list_collections
from collections_app.operations.data_subject import SubjectRecord, delete_person, export_person
from tenants.access import Caller, Scope

MOST = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A person in one collection, with their number of faces; `same`: the reference is the one asked for."""

    person: Person
    faces: int
    same: bool


def find_subject(caller: Caller, *, wanted: str) -> tuple[Found, ...]:
    """Return the people of all collections within reach with this reference, then those with this name; MOST at most.

    One person may stand under the same reference in many collections; a name alone proves nothing.
    """
    caller.require(Scope.ADMIN)
    if not wanted:
        return ()
    key = identifiers.comparison_key(wanted)
    people = _people(caller).select_related("collection").order_by("collection__name_key", "pk")
    same = list(people.filter(reference_key=key)[:MOST])
    named = reduce(or_, (Q(name__iexact=each) for each in {wanted, key}))
    others = list(people.filter(named).exclude(pk__in=[person.pk for person in same])[: MOST - len(same)])
    return tuple(Found(person, person.faces.count(), person in same) for person in [*same, *others])


def export_subject(caller: Caller, *, people: Sequence[int]) -> tuple[SubjectRecord, ...]:
    """Return everything about these people, by collection; each export is in the audit log.

    Raises:
        PersonNotFound: one of them is in no collection within reach.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.ADMIN)
    return tuple(
        export_person(caller, collection=str(one.collection_id), person=one.pk) for one in _each(caller, people)
    )


def delete_subject(caller: Caller, *, people: Sequence[int], reason: str = "") -> tuple[Receipt, ...]:
    """Erase these people, each with a receipt of its own.

    Raises:
        PersonNotFound: one of them is in no collection within reach; nothing is erased.
    """
    caller.require(Scope.DELETE)
    return tuple(
        delete_person(caller, collection=str(one.collection_id), person=one.pk, reason=reason)
        for one in _each(caller, people)
    )


def _each(caller: Caller, people: Sequence[int]) -> list[Person]:
    found = list(_people(caller).filter(pk__in=people[:MOST]).order_by("collection__name_key", "pk"))
    if missing := set(people) - {person.pk for person in found}:
        raise PersonNotFound(str(missing.pop()))
    return found


def _people(caller: Caller) -> QuerySet[Person]:
    people: QuerySet[Person] = Person.objects.of(caller.tenant)
    return people.filter(collection__in=list_collections(caller).order_by().values("pk"))
