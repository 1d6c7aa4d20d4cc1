"""A registration: a person together with the images of their faces, read and changed as one thing."""

from collections.abc import Sequence
from dataclasses import replace

from collections_app.errors import PersonNotFound
from collections_app.models import Person
from collections_app.operations.collections import Alias, find
from collections_app.operations.data_subject import (
    PersonDetails,
    PersonRecord,
    show_images,
    update_person,
)
from collections_app.operations.enrol import enrol_person
from collections_app.operations.references import find_person
from recognition.images import DEFAULT_LIMITS, ImageLimits
from tenants.access import Caller, Scope


def get_registration(caller: Caller, *, collection: str | Alias, person: str) -> PersonRecord:
    """Return a person with the stored images; the log notes who was shown them.

    Raises:
        PersonNotFound: the collection has no such person.
    """
    caller.require(Scope.READ)
    collection = find(caller, collection)
    record = show_images(caller, collection, find_person(collection, person).pk)
    if record is None:
        raise PersonNotFound(person)
    return record


def change_registration(
    caller: Caller,
    *,
    collection: str | Alias,
    person: PersonDetails,
    images: Sequence[bytes] = (),
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Person:
    """Change the person of this reference: omitted details stay unchanged, images replace the earlier ones.

    Raises:
        PersonNotFound: the collection has no such person.
        ImageRefused, DuplicateFace, EnrolmentBarred: see enrol_person; nothing is changed.
    """
    caller.require(Scope.ENROL)
    known = find_person(find(caller, collection), person.reference)
    if not images:
        return update_person(caller, collection=collection, person=known.pk, details=person)
    details = replace(person, reference=known.reference)
    return enrol_person(caller, collection=collection, images=images, person=details, limits=limits)
