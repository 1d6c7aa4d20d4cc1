"""Erase what was enrolled: unsearchable everywhere when the operation returns."""

from collections.abc import Sequence

from django.db import transaction

from collections_app import storage
from collections_app.models import Collection, Face
from collections_app.operations.collections import find
from collections_app.operations.faces import find_face
from recognition.index import face_index
from tenants import audit
from tenants.access import Caller, Scope


def delete_face(caller: Caller, *, collection: str, face: str) -> None:
    """Erase one face, its template and its kept image; a person goes with their last face.

    Raises:
        FaceNotFound: the collection holds no such face.
    """
    caller.require(Scope.DELETE)
    home = find(caller, collection)
    with transaction.atomic():
        remove_faces(home, [find_face(home, face)])
        audit.record(caller, "face.deleted", home, faces=[face])


def delete_faces(caller: Caller, *, collection: str, faces: Sequence[str], reason: str = "") -> int:
    """Erase several faces at once, all or none; return how many.

    Raises:
        FaceNotFound: one of them is not in the collection.
    """
    caller.require(Scope.DELETE)
    home = find(caller, collection)
    with transaction.atomic():
        found = [find_face(home, face) for face in dict.fromkeys(faces)]
        remove_faces(home, found)
        audit.record(caller, "face.deleted", home, faces=[face.uuid for face in found], reason=reason)
    return len(found)


def remove_faces(home: Collection, faces: list[Face]) -> None:
    """Remove faces and the people who have none left, in the caller's transaction; their files go on commit."""
    face_index().remove(home.gallery, [face.pk for face in faces])
    people = {face.person_id for face in faces}
    home.faces.filter(pk__in=[face.pk for face in faces]).delete()
    home.people.filter(pk__in=people, faces__isnull=True).delete()
    for stored in {face.stored_image for face in faces if face.stored_image}:
        if not home.faces.filter(stored_image=stored).exists():
            transaction.on_commit(lambda stored=stored: storage.erase(stored))  # type: ignore[misc]
